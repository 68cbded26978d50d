// The added and special tokens of a model folder, out of all the files that tell some.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/internal/tokenizer_config.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace anemll::text {

struct SettledTokens {
  std::optional<std::string> eos;
  std::filesystem::path eos_file;  ///< that names it
  /// What other files than tokenizer.json changed of its tokens, as text for a digest; empty for nothing.
  std::string changes;
};

/// Brings the tokens of `config` (tokenizer_config.json), added_tokens.json and special_tokens_map.json into
/// `spec` (of tokenizer.json). README.md has the rule per file. A token with two ids, an id with two tokens
/// and a new token whose id is not the next one are data errors that name both files.
SettledTokens settle_tokens(const std::filesystem::path& folder, const TokenizerConfig& config,
                            TokenizerSpec& spec, Inventory& inventory);

}  // namespace anemll::text
