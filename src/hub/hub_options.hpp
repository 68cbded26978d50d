// The options by which programs name models and reach the hub, each declared once. A program takes those that
// it needs and gives them the names that its users' documents have.
#pragma once

#include "anemll/core/options.hpp"

#include <optional>
#include <string>

namespace anemll {

/// --model-id: a folder, a .gguf file or a name on the hub. `help` says what the model is for.
void add_model_option(OptionTable& table, const std::string& name, std::string* id, const std::string& help);
void add_model_option(OptionTable& table, const std::string& name, std::optional<std::string>* id,
                      const std::string& help);
/// HubOptions::revision. `of`: "the model", "the dataset".
void add_revision_option(OptionTable& table, const std::string& name, std::string* revision,
                         const std::string& of);
/// The same for a program that chooses when none is given. `otherwise`: what it chooses.
void add_revision_option(OptionTable& table, const std::string& name, std::optional<std::string>* revision,
                         const std::string& of, const std::string& otherwise);
/// HubOptions::cache_dir: --hub-cache.
void add_hub_cache_option(OptionTable& table, std::optional<std::string>* folder);
/// HubOptions::token; a secret, which ranks keep to themselves.
void add_hub_token_option(OptionTable& table, const std::string& name, std::optional<std::string>* token);
/// HubOptions::local_files_only.
void add_local_files_option(OptionTable& table, const std::string& name, bool* only);

}  // namespace anemll
