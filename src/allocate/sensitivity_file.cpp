// The JSON file of a measurement.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/allocate/sensitivity.hpp"

#include <fstream>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kKind = "sensitivities of anemll_allocate";

json key_object(const SensitivityKey& key) {
  return {{"model", key.model},
          {"text", key.text},
          {"probe", name_of(key.probe)},
          {"layers_per_group", key.layers}};
}

json figures_object(const Sensitivities& found) {
  return {{"kl_of_groups", found.groups}, {"errors_of_linears", found.errors}};
}

Sensitivities figures_of(const json& object) {
  Sensitivities found;
  object.at("kl_of_groups").get_to(found.groups);
  object.at("errors_of_linears").get_to(found.errors);
  return found;
}

[[noreturn]] void no_file(const fs::path& file) {
  throw_data("is no file of sensitivities", file.string(), "name another file, or move this one away");
}

Sensitivities read_here(const fs::path& file, const SensitivityKey& key, bool replace) {
  if (!fs::exists(file)) return {};
  std::ifstream stream(file);
  const json object = json::parse(stream, nullptr, false);
  if (!object.is_object() || object.value("kind", json()) != kKind) no_file(file);
  if (object.value("of", json()) != key_object(key)) {
    if (!replace)
      throw_usage("was measured on another model, text, probe or grouping", file.string(),
                  "name another file by --sensitivity, or give --overwrite to replace this one");
    log_info(file.string() + ": of another model, text, probe or grouping, so it is measured anew");
    return {};
  }
  Sensitivities found;
  try {
    found = figures_of(object);
  } catch (const json::exception&) {
    no_file(file);
  }
  log_info(strf("%s: %zu groups and %zu linears are measured", file.c_str(), found.groups.size(),
                found.errors.size()));
  return found;
}

}  // namespace

Sensitivities read_sensitivities(const fs::path& file, const SensitivityKey& key, bool replace,
                                 Communicator& comm) {
  std::string text;
  on_root(comm, [&] { text = figures_object(read_here(file, key, replace)).dump(); });
  broadcast_string(comm, text, 0);
  return figures_of(json::parse(text));
}

void write_sensitivities(const fs::path& file, const SensitivityKey& key, const Sensitivities& found) {
  json object = figures_object(found);
  object["kind"] = kKind;
  object["of"] = key_object(key);
  write_file(file, object.dump(1) + "\n");
}

}  // namespace anemll
