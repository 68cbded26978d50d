// Opening a model: which files its folder has, what each must hold, and who it is.
#include "anemll/model/model_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/core/finite.hpp"
#include "src/core/hash.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/fingerprint.hpp"
#include "src/model/internal/gguf_weights.hpp"
#include "src/model/internal/json_reader.hpp"
#include "src/model/internal/value_digest.hpp"
#include "src/model/tensor_registry.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

/// A tensor and the file it came from, for messages.
struct Found {
  HostTensor tensor;
  fs::path file;
};
using FoundMap = std::map<std::string, Found>;
using Maps = std::vector<std::shared_ptr<const MappedFile>>;

void add_file(const fs::path& path, FoundMap& found, Maps& maps) {
  const SafetensorsFile file = read_safetensors(path);
  maps.push_back(file.map);
  for (const auto& [name, tensor] : file.tensors) found[name] = {tensor, path};
}

/// tensor -> shard, with file names checked to be plain names inside the folder.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json json = read_json_object(path);
  const JsonReader index(json, path);
  if (!index.has("weight_map") || !index.at("weight_map").is_object()) {
    index.fail("weight_map", "not an object of tensor names and files", "download the file again");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [name, value] : index.at("weight_map").items()) {
    const std::string file = value.is_string() ? value.get<std::string>() : "";
    if (file.empty() || file == "." || file == ".." || file.find_first_of("/\\") != std::string::npos) {
      index.fail("weight_map." + name, "not the name of a file in this folder: " + value.dump(),
                 "download the file again");
    }
    shards[name] = file;
  }
  return shards;
}

/// All tensors of the shards that the index names. Where two shards have one tensor the index decides; what
/// it lists and no shard has is missed only if the model needs it.
FoundMap read_sharded(const fs::path& folder, Maps& maps, Inventory& inventory) {
  const fs::path index = folder / kIndex;
  const std::map<std::string, std::string> shards = read_index(index);
  std::map<std::string, FoundMap> files;
  FoundMap found;
  for (const auto& [name, file] : shards) {
    if (files.contains(file)) continue;
    if (!fs::exists(folder / file)) {
      throw_data("a shard that the index names is missing: " + file, index.string(),
                 "download the model again");
    }
    add_file(folder / file, files[file], maps);
    found.insert(files[file].begin(), files[file].end());
  }
  for (const auto& [name, file] : shards) {
    if (const auto entry = files[file].find(name); entry != files[file].end()) found[name] = entry->second;
    if (!found.contains(name)) {
      inventory.add(Fate::left_out, "entry of the index", name, "no shard has this tensor");
    }
  }
  return found;
}

FoundMap read_gguf_tensors(const OpenModel& model, Maps& maps) {
  maps.push_back(model.gguf->map);
  FoundMap found;
  for (const auto& [name, tensor] :
       gguf_weights(*model.gguf, model.architecture, *find_family(model.families, model.architecture.family)))
    found[name] = {tensor, model.path};
  return found;
}

/// Other weights of the folder than the files that are read: a stale copy, an adapter, another format.
void tell_other_weights(const fs::path& folder, const FoundMap& found, Inventory& inventory) {
  std::set<std::string> read;
  for (const auto& [name, entry] : found) read.insert(entry.file.filename().string());
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
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
    if (!weights || read.contains(name) || (name == kIndex && !fs::exists(folder / kSingle))) continue;
    inventory.add(
        Fate::left_out, "file", name,
        adapter ? "an adapter must be merged into the weights first"
                : "the weights are read from " + *read.begin() + (read.size() > 1 ? " and others" : ""));
  }
}

FoundMap read_tensors(const fs::path& folder, Maps& maps, Inventory& inventory) {
  FoundMap found;
  if (fs::exists(folder / kSingle)) {
    add_file(folder / kSingle, found, maps);
  } else if (fs::exists(folder / kIndex)) {
    found = read_sharded(folder, maps, inventory);
  } else {
    throw_data(std::string("no weights: neither ") + kSingle + " nor " + kIndex, folder.string(),
               "only safetensors weights are read; download or convert them");
  }
  if (!found.empty()) tell_other_weights(folder, found, inventory);
  inventory.add(Fate::used, "file", "config.json");
  // Says how to sample texts, which nothing here does.
  if (fs::exists(folder / "generation_config.json"))
    inventory.add(Fate::compared, "file", "generation_config.json");
  return found;
}

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  const HostTensor left = a.packed(), right = b.packed();
  return std::memcmp(left.data, right.data, left.bytes()) == 0;
}

/// A file may hold a head although the configuration ties it to the embedding: equal bytes are the same
/// thing; other values are a model of their own, whatever the configuration says (as transformers decides
/// since 5.12).
void settle_head(ModelFiles& model, FoundMap& found) {
  if (!model.architecture.tied_embeddings || !found.contains(kEmbeddingName)) return;
  const auto head = found.find(kHeadName);
  if (head == found.end() || same_bytes(head->second.tensor, found[kEmbeddingName].tensor)) {
    if (head != found.end()) model.inventory.add(Fate::compared, "tensor", kHeadName);
    found[kHeadName] = found[kEmbeddingName];
    return;
  }
  model.architecture.tied_embeddings = false;
  model.inventory.add(
      Fate::compared, "config key", "tie_word_embeddings",
      "the file has a head of its own, with other values than the embedding: that one is used");
}

std::string why_unused(const std::string& name, const Architecture& architecture) {
  if (layer_of(name).value_or(-1) >= architecture.layer_count())
    return "the configuration has " + std::to_string(architecture.layer_count()) + " layers";
  if (name.ends_with(".bias")) return "the configuration has no such bias";
  return "the architecture has no such tensor";
}

void check(const TensorSpec& spec, const Found& found) {
  HostTensor expected;
  expected.dtype = found.tensor.dtype;
  expected.shape = spec.shape;
  const DType dtype = found.tensor.dtype;
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) {
    throw_data("tensor " + spec.name + " has type " + std::string(name_of(dtype)), found.file.string(),
               "weights must be F32, F16 or BF16; start from the original model");
  }
  if (found.tensor.shape != spec.shape) {
    throw_data("tensor " + spec.name + " is " + found.tensor.describe() + ", config.json says " +
                   expected.describe(),
               found.file.string(),
               "config.json and the weights belong to different models; download both again");
  }
}

/// One look at all values: whether they are numbers, and their digest.
ValueDigest look_at(const TensorSpec& spec, const Found& found) {
  const ValueDigest values = digest_values(found.tensor);
  if (!values.finite) {
    require_finite(found.tensor, "tensor " + spec.name, found.file.string(),
                   "the file is damaged or its training diverged: take another copy");
  }
  return values;
}

}  // namespace

void ModelFiles::release_pages() const {
  for (const auto& map : maps) map->release_pages();
}

std::string head_sha256(const ModelFiles& files) {
  const HostTensor head = files.tensors.find(kHeadName)->packed();
  Sha256 hash;
  hash.update(head.describe());
  hash.update(std::span<const std::byte>(head.data, head.bytes()));
  return hash.finish_hex();
}

bool ModelFiles::is(std::string_view recorded) const {
  return !recorded.empty() && (recorded == fingerprint || recorded == first_fingerprint);
}

ModelFiles load_model_files(const fs::path& model, std::span<const Family> families) {
  return load_model_files(open_model(model, families));
}

ModelFiles load_model_files(const OpenModel& model) {
  ModelFiles out;
  out.folder = model.path;
  out.architecture = model.architecture;
  out.inventory = model.inventory;
  FoundMap found =
      model.gguf ? read_gguf_tensors(model, out.maps) : read_tensors(model.path, out.maps, out.inventory);
  settle_head(out, found);

  Fingerprint fingerprint(out.architecture);
  FirstFingerprint first(model.config);
  ValueDigest embedding;
  for (const TensorSpec& spec : expected_tensors(out.architecture)) {
    const auto entry = found.find(spec.name);
    if (entry == found.end()) {
      throw_data("tensor " + spec.name + " is missing", model.path.string(),
                 spec.role == TensorRole::head
                     ? "the model is not tied (tie_word_embeddings), so the file must hold a head"
                     : "config.json and the weights belong to different models; download both again");
    }
    check(spec, entry->second);
    // A tied head is the embedding, which comes first.
    const bool seen = spec.role == TensorRole::head && out.architecture.tied_embeddings;
    const ValueDigest values = seen ? embedding : look_at(spec, entry->second);
    if (spec.role == TensorRole::embedding) embedding = values;
    fingerprint.add(spec, values);
    first.add(spec.name, entry->second.tensor);
    out.tensors.set(spec.name, std::move(entry->second.tensor));
    found.erase(entry);
  }
  out.fingerprint = fingerprint.text();
  out.first_fingerprint = first.text();
  for (const auto& [name, extra] : found) {
    out.inventory.add(Fate::left_out, "tensor", name, why_unused(name, out.architecture));
  }
  return out;
}

}  // namespace anemll
