// tokenizer_config.json as data: the tokens that it names, its chat templates, and what becomes of each key.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/text/tokenizer.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll::text {

/// A token with a role ("eos_token") or out of a list of special tokens.
struct NamedToken {
  std::string role;
  AddedToken token;  ///< without an id
};

struct TokenizerConfig {
  std::filesystem::path path;  ///< of the file, for messages
  std::string tokenizer_class;
  std::vector<NamedToken> named;
  /// added_tokens_decoder, ordered by id; absent where the key is.
  std::optional<std::vector<AddedToken>> decoder;
  std::map<std::string, std::string> templates;  ///< name -> Jinja text; a single one is "default"
};

/// The JSON object of a text file of a model folder; a data error names it.
nlohmann::json read_text_json(const std::filesystem::path& path);
/// ": " and the start of the value, for the end of a message.
std::string shown(const nlohmann::json& value);
[[noreturn]] void bad_text_file(const std::string& what, const std::filesystem::path& path);

/// Tokens with a role and lists of special tokens out of a tokenizer_config.json or special_tokens_map.json.
/// A value that is no token is a data error for eos_token; elsewhere it is told.
std::vector<NamedToken> named_tokens(const nlohmann::json& root, const std::filesystem::path& path,
                                     Inventory& inventory);

/// An absent file says nothing.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& path, Inventory& inventory);

}  // namespace anemll::text
