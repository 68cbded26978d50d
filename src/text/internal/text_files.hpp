// The text files of a model folder that are held against tokenizer.json, its chat templates, and the table of
// what becomes of each file.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/text/tokenizer.hpp"
#include "src/text/internal/tokenizer_config.hpp"

#include <filesystem>
#include <string>

namespace anemll::text {

/// vocab.json and merges.txt of slow tokenizers: tokenizer.json is used, what differs is told.
void compare_slow_files(const std::filesystem::path& folder, const TokenizerSpec& spec, Inventory& inventory);

struct ChosenTemplate {
  std::string jinja;   ///< empty where there is none
  std::string source;  ///< its file (and key); the folder where there is none
};

/// The Jinja text that transformers would take for a conversation without tools.
/// chat_template.jinja and additional_chat_templates/ replace chat_template of tokenizer_config.json.
ChosenTemplate chosen_template(const std::filesystem::path& folder, const TokenizerConfig& config,
                               Inventory& inventory);

/// Files that by their names belong to a tokenizer and that no rule reads.
void tell_other_text_files(const std::filesystem::path& folder, Inventory& inventory);

}  // namespace anemll::text
