#include "src/hub/hub_options.hpp"

namespace anemll {
namespace {

template <class Text>
void add_model(OptionTable& table, const std::string& name, Text* id, const std::string& help) {
  table.add(name, id, help);
  table.mark_path(name);
}

std::string revision_help(const std::string& of) {
  return "branch, tag or commit of " + of + " on the hub";
}

}  // namespace

void add_model_option(OptionTable& table, const std::string& name, std::string* id, const std::string& help) {
  add_model(table, name, id, help);
}
void add_model_option(OptionTable& table, const std::string& name, std::optional<std::string>* id,
                      const std::string& help) {
  add_model(table, name, id, help);
}

void add_revision_option(OptionTable& table, const std::string& name, std::string* revision,
                         const std::string& of) {
  table.add(name, revision, revision_help(of));
}
void add_revision_option(OptionTable& table, const std::string& name, std::optional<std::string>* revision,
                         const std::string& of, const std::string& otherwise) {
  table.add(name, revision, revision_help(of) + " (default: " + otherwise + ")");
}

void add_hub_cache_option(OptionTable& table, std::optional<std::string>* folder) {
  table.add("hub-cache", folder, "hub cache (not the KD cache; default HF_HUB_CACHE, HF_HOME, ...)");
  table.mark_path("hub-cache");
}

void add_hub_token_option(OptionTable& table, const std::string& name, std::optional<std::string>* token) {
  table.add(name, token, "access token (default HF_TOKEN or the token file)");
  table.mark_own(name);
}

void add_local_files_option(OptionTable& table, const std::string& name, bool* only) {
  table.add_flag(name, only, "never use the network");
}

}  // namespace anemll
