// Which files of a model or dataset repository are needed, and when a folder has them.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/hub/fetch.hpp"
#include "src/hub/names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using Paths = std::vector<std::string>;

constexpr const char* kConfig = "config.json";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

constexpr std::array<std::string_view, 6> kModelFiles = {kConfig,
                                                         "generation_config.json",
                                                         "tokenizer.json",
                                                         "tokenizer_config.json",
                                                         "chat_template.jinja",
                                                         "special_tokens_map.json"};

/// Files that lie beside the data without being data.
constexpr std::array<std::string_view, 9> kNotData = {
    "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json",      "config.json",
    "croissant.json",    "license.txt",        "readme.txt",        "requirements.txt"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Paths choose_model_files(const Paths& all) {
  Paths chosen;
  std::copy_if(all.begin(), all.end(), std::back_inserter(chosen), [](const std::string& path) {
    // Sub-folders hold other formats of the same model.
    if (path.find('/') != std::string::npos) return false;
    return std::find(kModelFiles.begin(), kModelFiles.end(), path) != kModelFiles.end() ||
           path.ends_with(".safetensors") || path.ends_with(".safetensors.index.json");
  });
  return chosen;
}

std::string missing_of_model(const fs::path& folder) {
  if (!is_there(folder / kConfig)) return kConfig;
  if (is_there(folder / kSingle)) return {};
  if (!is_there(folder / kIndex)) return kSingle;
  const Json index = Json::parse(read_text(folder / kIndex), nullptr, /*allow_exceptions=*/false);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return std::string("readable ") + kIndex;
  for (const Json& file : index["weight_map"]) {
    if (!file.is_string() || !is_safe_path(file.get<std::string>())) return std::string("readable ") + kIndex;
    if (!is_there(folder / file.get<std::string>())) return file.get<std::string>();
  }
  return {};
}

/// The kind of a data file ("parquet", "json", "txt"), empty for other files.
std::string data_kind(const std::string& path) {
  for (std::size_t begin = 0; begin < path.size();) {
    // Hidden and private folders and files belong to tools.
    if (path[begin] == '.' || path.compare(begin, 2, "__") == 0) return {};
    const std::size_t slash = path.find('/', begin);
    if (slash == std::string::npos) break;
    begin = slash + 1;
  }
  std::string name = lower(fs::path(path).filename().string());
  if (std::find(kNotData.begin(), kNotData.end(), name) != kNotData.end()) return {};
  if (name.ends_with(".parquet")) return "parquet";
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (name.ends_with(packed)) name.resize(name.size() - packed.size());
  }
  if (name.ends_with(".json") || name.ends_with(".jsonl")) return "json";
  return name.ends_with(".txt") ? "txt" : "";
}

/// One kind of files: repositories often carry the same rows in several.
Paths choose_data_files(const Paths& all) {
  for (const std::string_view kind : {"parquet", "json", "txt"}) {
    Paths chosen;
    std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
                 [&](const std::string& path) { return data_kind(path) == kind; });
    if (!chosen.empty()) return chosen;
  }
  return {};
}

/// For ".../train-00000-of-00003-abc.parquet" the names of the same part, up to the number, and the count.
struct Part {
  std::string stem;  // with the count, without the number and what follows
  std::size_t number = 0;
  std::size_t count = 0;
};
std::optional<Part> part_of(const std::string& path) {
  constexpr std::string_view kOf = "-of-";
  const std::size_t of = path.rfind(kOf);
  if (of == std::string::npos) return std::nullopt;
  std::size_t begin = of;
  while (begin > 0 && std::isdigit(static_cast<unsigned char>(path[begin - 1])) != 0) --begin;
  std::size_t end = of + kOf.size();
  while (end < path.size() && std::isdigit(static_cast<unsigned char>(path[end])) != 0) ++end;
  const std::string number = path.substr(begin, of - begin);
  const std::string count = path.substr(of + kOf.size(), end - of - kOf.size());
  if (number.empty() || count.empty() || number.size() > 6 || count.size() > 6) return std::nullopt;
  return Part{path.substr(0, begin) + count, std::stoul(number), std::stoul(count)};
}

/// A cached dataset is taken when it has data, and of numbered parts all.
std::string missing_of_dataset(const fs::path& folder) {
  std::map<std::string, std::pair<std::size_t, std::set<std::size_t>>> parts;
  bool any = false;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    const std::string path = it->path().lexically_relative(folder).string();
    std::error_code ignored;
    if (data_kind(path).empty() || !it->is_regular_file(ignored)) continue;
    any = true;
    if (const auto part = part_of(path)) {
      auto& [count, numbers] = parts[part->stem];
      count = part->count;
      numbers.insert(part->number);
    }
  }
  if (!any) return "data files (.parquet, .json, .jsonl, .txt)";
  for (const auto& [stem, found] : parts) {
    if (found.second.size() < found.first)
      return "more than " + std::to_string(found.second.size()) + " of " + std::to_string(found.first) +
             " parts of " + stem;
  }
  return {};
}

/// The folder before the first component with a wildcard.
std::optional<fs::path> folder_of_glob(const std::string& pattern) {
  const std::size_t wild = pattern.find_first_of("*?[");
  if (wild == std::string::npos) return std::nullopt;
  const std::size_t slash = pattern.rfind('/', wild);
  if (slash == std::string::npos) return fs::path(".");
  return fs::path(slash == 0 ? "/" : pattern.substr(0, slash));
}

}  // namespace

HubDemand model_demand() {
  return {choose_model_files, missing_of_model, {"tokenizer.json"}};
}

HubDemand dataset_demand() {
  return {choose_data_files, missing_of_dataset, {}};
}

HubSnapshot fetch_model(const std::string& id, const HubOptions& options) {
  HubSnapshot found = fetch(HubKind::model, id, options.revision, read_settings(options), model_demand());
  if (!found.repository.empty()) return found;
  std::error_code ignored;
  if (!fs::is_directory(found.path, ignored)) {
    if (lower(found.path.extension().string()) == ".gguf") return found;
    throw_data("not a model", found.path.string(),
               "give the folder of a Hugging Face model, a .gguf file, or org/name");
  }
  if (!is_there(found.path / kConfig)) {
    throw_data("the folder has no config.json", found.path.string(),
               "give the folder of a Hugging Face model");
  }
  return found;
}

HubSnapshot fetch_dataset(const std::string& id, const HubOptions& options) {
  const std::string expanded = expand_path(id);
  if (const auto folder = folder_of_glob(expanded); folder && !is_there(expanded)) {
    std::error_code ignored;
    if (fs::is_directory(*folder, ignored)) return {expanded, "", ""};
    throw_data("cannot find the dataset " + id, "looked in: " + folder->string(),
               "the folder of the pattern does not exist");
  }
  return fetch(HubKind::dataset, id, options.revision, read_settings(options), dataset_demand());
}

}  // namespace anemll
