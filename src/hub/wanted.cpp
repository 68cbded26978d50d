// What is demanded of a model or of a data set, by name or as a local path; what a data set's folder lacks.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/merge_advice.hpp"
#include "src/core/shell_word.hpp"
#include "src/hub/internal/damage.hpp"
#include "src/hub/internal/fetch.hpp"
#include "src/hub/internal/model_table.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Paths = std::vector<std::string>;

constexpr const char* kConfig = "config.json";
constexpr const char* kCard = "README.md";

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

Content content_of_data(const std::string& path) {
  return lower(path).ends_with(".parquet") ? Content::parquet : Content::any;
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

/// What is in a snapshot, by name, links included whose blobs are gone.
Paths names_in(const fs::path& folder) {
  Paths names;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    std::error_code ignored;
    if (!it->is_directory(ignored)) names.push_back(it->path().lexically_relative(folder).generic_string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// A cached dataset is taken when all that is chosen of it is there, and of numbered parts each.
std::string missing_of_dataset(const fs::path& folder, const ChooseFiles& choose) {
  Paths chosen;
  const fs::path card = folder / kCard;
  // It decides what the data set is.
  if (const std::string damage = damage_of(card, Content::any); !damage.empty())
    return kCard + (" (" + damage + ")");
  try {
    chosen = choose(names_in(folder), is_there(card) ? read_input_text(card) : std::string());
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    return "file that is wanted: " + error.problem();
  }
  if (chosen.empty()) return "file that is wanted";
  std::map<std::string, std::pair<std::size_t, std::set<std::size_t>>> parts;
  for (const std::string& path : chosen) {
    if (const std::string damage = damage_of(folder / path, content_of_data(path)); !damage.empty())
      return path + " (" + damage + ")";
    if (const auto part = part_of(path)) {
      auto& [count, numbers] = parts[part->stem];
      count = part->count;
      numbers.insert(part->number);
    }
  }
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

/// A GGUF file of the folder, whatever its name; empty when there is none.
fs::path gguf_in(const fs::path& folder) {
  fs::path first;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path& path = entry->path();
    try {
      if ((first.empty() || path < first) && content_kind(path) == ContentKind::gguf) first = path;
    } catch (const Error&) {  // what cannot be read is not offered
    }
  }
  return first;
}

/// What to give in the place of a folder without config.json.
std::string instead_of(const fs::path& folder, const fs::path& gguf) {
  std::error_code ignored;
  if (!gguf.empty())
    return "give the GGUF file itself as the model: " + shell_word(gguf.string()) +
           ", in place of the folder or ORG/NAME";
  return fs::is_directory(folder / "snapshots", ignored)
             ? "it is a folder of the hub cache: give ORG/NAME, or one of the folders in its snapshots/"
             : "give the folder of a Hugging Face model, or ORG/NAME";
}

}  // namespace

HubDemand model_demand(ModelUse use) {
  HubDemand demand;
  demand.choose = [use](const Paths& names, const std::string&) { return choose_model_files(names, use); };
  demand.missing = [use](const fs::path& folder) { return missing_of_model(folder, use); };
  demand.lacks = [](const fs::path& folder, const std::string& path) {
    return !has_name(folder / path) || !damage_of_model_file(folder, path).empty();
  };
  demand.wished = wished_of_model(use);
  demand.tell = [use](const fs::path& folder, const Paths& unknown, const std::string& why) {
    tell_of_model(folder, unknown, why, use);
  };
  return demand;
}

/// `chosen`, and the index files of saved folders that say what of it counts: those in its folders and above.
Paths with_index_files(Paths chosen, const Paths& names) {
  std::set<std::string> wanted;
  for (const std::string& file : chosen) {
    fs::path folder = file;
    do {
      folder = folder.parent_path();
      for (const char* index : {"state.json", "dataset_dict.json"})
        wanted.insert((folder / index).generic_string());
    } while (!folder.empty());
  }
  for (const std::string& file : chosen) wanted.erase(file);
  std::copy_if(names.begin(), names.end(), std::back_inserter(chosen),
               [&](const std::string& name) { return wanted.count(name) != 0; });
  return chosen;
}

HubDemand dataset_demand(const ChooseFiles& choose) {
  HubDemand demand;
  demand.choose = [choose](const Paths& names, const std::string& card) {
    return with_index_files(choose(names, card), names);
  };
  demand.missing = [choose](const fs::path& folder) { return missing_of_dataset(folder, choose); };
  demand.lacks = [](const fs::path& folder, const std::string& path) {
    return !has_name(folder / path) || !damage_of(folder / path, content_of_data(path)).empty();
  };
  demand.wished = {kCard};
  demand.open_ended = true;
  demand.tell = [](const fs::path& folder, const Paths&, const std::string& why) {
    if (!why.empty())
      log_info("whether the cached snapshot " + folder.string() +
               " has all files of the data set is not known: " + why);
  };
  demand.card = kCard;
  return demand;
}

HubSnapshot fetch_model(const std::string& id, const HubOptions& options, ModelUse use) {
  HubSnapshot found = fetch(HubKind::model, id, options.revision, read_settings(options), model_demand(use));
  if (!found.repository.empty()) return found;
  std::error_code ignored;
  if (!fs::is_directory(found.path, ignored)) {
    const std::string damage = damage_of(found.path, Content::any);
    // A sound file with a model's name is left to its reader, so that it is opened once.
    const bool look = found.path.extension() != ".gguf" || !damage.empty();
    const ContentKind seen = look && is_there(found.path) ? content_kind(found.path) : ContentKind::other;
    const ContentKind kind = look ? seen : ContentKind::gguf;
    require_content(found.path, kind, {ContentKind::gguf}, "a model");
    if (!damage.empty())
      throw_data("the model's file is " + damage, found.path.string(), fetch_advice(found.path));
    if (use == ModelUse::text || kind == ContentKind::gguf ||
        lower(found.path.extension().string()) == ".gguf")
      return found;
    throw_data("not a model: neither a folder nor a .gguf file", found.path.string(),
               "give the folder of a Hugging Face model, a .gguf file, or ORG/NAME");
  }
  check_local_model(found.path, use);
  if (is_there(found.path / kConfig)) return found;
  const fs::path gguf = is_there(found.path / "tokenizer.json") ? fs::path() : gguf_in(found.path);
  if (use != ModelUse::text && gguf.empty() && is_there(found.path / "adapter_config.json"))
    throw_data("the folder holds an adapter (adapter_config.json), not a model", found.path.string(),
               merge_advice(found.path));
  if (use != ModelUse::text || !gguf.empty())
    throw_data("the folder has no config.json", found.path.string(), instead_of(found.path, gguf));
  return found;
}

bool is_local(HubKind kind, const std::string& id) {
  const std::string expanded = expand_path(id);
  if (is_there(expanded)) return !id.empty();
  return kind == HubKind::dataset && folder_of_glob(expanded).has_value();
}

HubSnapshot fetch_dataset(const std::string& id, const HubOptions& options, const ChooseFiles& choose) {
  const std::string expanded = expand_path(id);
  if (const auto folder = folder_of_glob(expanded); folder && !is_there(expanded)) {
    std::error_code ignored;
    if (fs::is_directory(*folder, ignored)) return {expanded, "", ""};
    throw_data("cannot find the dataset " + id, "looked in: " + folder->string(),
               "the folder of the pattern does not exist: give one that does, or ORG/NAME");
  }
  return fetch(HubKind::dataset, id, options.revision, read_settings(options), dataset_demand(choose));
}

}  // namespace anemll
