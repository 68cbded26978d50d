#include "src/model/internal/weight_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/merge_advice.hpp"
#include "src/core/printable.hpp"
#include "src/core/shell_word.hpp"
#include "src/model/internal/json_reader.hpp"
#include "src/model/internal/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

namespace anemll {
namespace fs = std::filesystem;
namespace {

/// The names of weights in the order in which they are looked for. What a file holds is seen by its content.
struct Form {
  std::string_view stem, ending;

  std::string single() const { return std::string(stem) + std::string(ending); }
  std::string index() const { return single() + ".index.json"; }
};

TensorMap read_safe(const fs::path& path, Maps& maps) {
  SafetensorsFile file = read_safetensors(path);
  maps.push_back(file.map);
  return std::move(file.tensors);
}

/// Tensors of torch.save may be views with gaps.
TensorMap read_bin(const fs::path& path, Maps& maps) {
  maps.push_back(MappedFile::open(path));
  TensorMap packed;
  for (const auto& [name, tensor] : read_state_dict(maps.back())) packed.set(name, tensor.packed());
  return packed;
}

constexpr std::array kForms{Form{"model", ".safetensors"}, Form{"pytorch_model", ".bin"}};

/// The name decides only which reader explains a file that is neither.
TensorMap read_either(const fs::path& path, const Form& form, Maps& maps) {
  const ContentKind kind = content_kind(path);
  const bool saved = kind == ContentKind::zip || kind == ContentKind::pickle;
  const bool safe = kind == ContentKind::safetensors || (!saved && form.ending == ".safetensors");
  return safe ? read_safe(path, maps) : read_bin(path, maps);
}

struct Reader {
  const fs::path& folder;
  Maps& maps;
  Inventory& inventory;
  std::set<std::string> used{};  ///< names of files

  FoundMap read(const Form& form, const std::string& file) {
    FoundMap found;
    used.insert(file);
    for (const auto& [name, tensor] : read_either(folder / file, form, maps))
      found[name] = {tensor, folder / file};
    return found;
  }
};

/// In the folder or below it.
bool stays_inside(const fs::path& file) {
  return !file.empty() && file.is_relative() && file.has_filename() &&
         std::none_of(file.begin(), file.end(),
                      [](const fs::path& part) { return part == "." || part == ".." || part.empty(); });
}

/// tensor -> shard, with file names checked to be inside the folder.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json json = read_json_object(path);
  const JsonReader index(json, path);
  const bool there = index.has("weight_map");
  if (!there || !index.at("weight_map").is_object()) {
    index.fail("weight_map",
               "not an object of tensor names and files: " +
                   (there ? printable(index.at("weight_map").dump(), kShownValue) : "it is missing"),
               fetch_advice(path));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, value] : index.at("weight_map").items()) {
    const std::string file = value.is_string() ? value.get<std::string>() : "";
    if (!stays_inside(file)) {
      index.fail("weight_map." + name, "not the name of a file in this folder: " + value.dump(),
                 fetch_advice(path));
    }
    shards[name] = file;
  }
  return shards;
}

/// All tensors of the shards that the index names. Where two shards have one tensor the index decides; what
/// it lists and no shard has is missed only if the model needs it.
FoundMap read_by_index(Reader& reader, const Form& form, const std::string& index) {
  reader.used.insert(index);
  const std::map<std::string, std::string> shards = read_index(reader.folder / index);
  std::map<std::string, FoundMap> files;
  FoundMap found;
  for (const auto& [name, file] : shards) {
    if (files.contains(file)) continue;
    if (!fs::exists(reader.folder / file)) {
      throw_data("a shard that the index names is missing: " + file, (reader.folder / index).string(),
                 fetch_advice(reader.folder / file));
    }
    files[file] = reader.read(form, file);
    found.insert(files[file].begin(), files[file].end());
  }
  for (const auto& [name, file] : shards) {
    if (const auto entry = files[file].find(name); entry != files[file].end()) found[name] = entry->second;
    if (!found.contains(name)) {
      reader.inventory.add(Fate::left_out, "entry of the index", name, "no shard has this tensor");
    }
  }
  return found;
}

/// N of "model-00001-of-0000N.safetensors"; 0 of other names.
int parts_of(const Form& form, std::string_view name) {
  const auto digits = [&name](int& number) {
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool read = error == std::errc() && end != name.data();
    if (read) name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    return read && number > 0;
  };
  const auto skip = [&name](std::string_view text) {
    const bool there = name.starts_with(text);
    if (there) name.remove_prefix(text.size());
    return there;
  };
  int part = 0, count = 0;
  const bool is_part = skip(form.stem) && skip("-") && digits(part) && skip("-of-") && digits(count) &&
                       part <= count && name == form.ending;
  return is_part ? count : 0;
}

/// Numbered shards without an index: all of them, or an error.
std::optional<FoundMap> read_numbered(Reader& reader, const Form& form) {
  std::set<std::string> shards;
  int count = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(reader.folder)) {
    const std::string name = entry.path().filename().string();
    const int parts = parts_of(form, name);
    if (parts == 0) continue;
    count = std::max(count, parts);
    shards.insert(name);
  }
  if (shards.empty()) return std::nullopt;
  if (shards.size() != static_cast<std::size_t>(count)) {
    throw_data(strf("%zu of %d shards are there, and no ", shards.size(), count) + form.index(),
               (reader.folder / *shards.begin()).string(),
               "download the missing shards: hf download ORG/NAME --local-dir " +
                   shell_word(reader.folder.string()));
  }
  FoundMap found;
  for (const std::string& shard : shards) found.merge(reader.read(form, shard));
  return found;
}

/// By what the folder has instead.
std::string way_to_weights(const fs::path& folder) {
  for (const char* adapter : {"adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"}) {
    if (fs::exists(folder / adapter))
      return std::string("the folder holds an adapter (") + adapter + "): " + merge_advice(folder);
  }
  std::map<std::string, std::vector<std::string>> others;  // by their ending
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("adapter_")) others[entry.path().extension().string()].push_back(name);
  }
  if (const auto& gguf = others[".gguf"]; !gguf.empty())
    return "give the GGUF file itself, or ORG/NAME of the model: " +
           (folder / *std::min_element(gguf.begin(), gguf.end())).string();
  for (const Form& form : kForms) {
    auto& names = others[std::string(form.ending)];
    std::sort(names.begin(), names.end());
    if (names.size() == 1)
      return strf("if %s holds the weights, rename it: mv '%s' '%s'", names.front().c_str(),
                  (folder / names.front()).c_str(), (folder / form.single()).c_str());
    if (names.size() > 1)
      return strf("if %s, %s%s are the weights, name them %.*s-00001-of-%05zu%.*s and so on with mv",
                  names[0].c_str(), names[1].c_str(), names.size() > 2 ? ", ..." : "",
                  static_cast<int>(form.stem.size()), form.stem.data(), names.size(),
                  static_cast<int>(form.ending.size()), form.ending.data());
  }
  return "give the folder that holds the weights, or ORG/NAME of the model, which is downloaded; a model in "
         "Python is written by model.save_pretrained(FOLDER) of transformers";
}

FoundMap read_weights(Reader& reader) {
  for (const Form& form : kForms) {
    if (fs::exists(reader.folder / form.single())) return reader.read(form, form.single());
    if (fs::exists(reader.folder / form.index())) return read_by_index(reader, form, form.index());
    // Another name of the index: "model.fp16.safetensors.index.json".
    std::set<std::string> indices;
    const std::string ending = std::string(form.ending) + ".index.json";
    for (const fs::directory_entry& entry : fs::directory_iterator(reader.folder)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(ending) && !name.starts_with("adapter_")) indices.insert(name);
    }
    if (indices.size() == 1) return read_by_index(reader, form, *indices.begin());
    if (auto found = read_numbered(reader, form)) return std::move(*found);
  }
  throw_data("no weights: neither model.safetensors nor pytorch_model.bin, nor shards of one",
             reader.folder.string(), way_to_weights(reader.folder));
}

/// Other weights of the folder than the files that are read: a stale copy, an adapter, another format.
void tell_other_weights(const Reader& reader) {
  std::string first;
  for (const std::string& name : reader.used) {
    if (!name.ends_with(".json") && first.empty()) first = name;
  }
  const bool several = std::count_if(reader.used.begin(), reader.used.end(),
                                     [](const std::string& name) { return !name.ends_with(".json"); }) > 1;
  for (const fs::directory_entry& entry : fs::directory_iterator(reader.folder)) {
    const std::string name = entry.path().filename().string();
    // Weights of this model by their names; other files of tensors may be anything.
    struct Named {
      std::string_view stem, ending;
    };
    constexpr std::array kWeights{Named{"model", ".safetensors"},
                                  Named{"model", ".safetensors.index.json"},
                                  Named{"consolidated", ".safetensors"},
                                  Named{"consolidated", ".safetensors.index.json"},
                                  Named{"consolidated", ".pth"},
                                  Named{"pytorch_model", ".bin"},
                                  Named{"pytorch_model", ".bin.index.json"},
                                  Named{"tf_model", ".h5"},
                                  Named{"flax_model", ".msgpack"}};
    const bool adapter = name.starts_with("adapter_");
    const bool weights = adapter || std::any_of(kWeights.begin(), kWeights.end(), [&](const Named& named) {
                           return name.starts_with(named.stem) && name.ends_with(named.ending);
                         });
    if (!weights || reader.used.contains(name)) continue;
    reader.inventory.add(Fate::left_out, "file", name,
                         adapter ? "an adapter must be merged into the weights first"
                                 : "the weights are read from " + first + (several ? " and others" : ""));
  }
}

}  // namespace

FoundMap read_folder_tensors(const fs::path& folder, Maps& maps, Inventory& inventory) {
  Reader reader{folder, maps, inventory};
  FoundMap found = read_weights(reader);
  if (!found.empty()) tell_other_weights(reader);
  inventory.add(Fate::used, "file", "config.json");
  // Says how to sample texts, which nothing here does.
  if (fs::exists(folder / "generation_config.json"))
    inventory.add(Fate::compared, "file", "generation_config.json");
  return found;
}

}  // namespace anemll
