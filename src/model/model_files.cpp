// Opening a model: which files its folder has, what each must hold, and who it is.
#include "anemll/model/model_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/hash.hpp"
#include "anemll/core/log.hpp"
#include "anemll/formats/safetensors.hpp"
#include "src/model/gguf_weights.hpp"
#include "src/model/json_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <openssl/evp.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

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

FoundMap read_sharded(const fs::path& folder, Maps& maps) {
  const fs::path index = folder / kIndex;
  const std::map<std::string, std::string> shards = read_index(index);
  std::map<std::string, FoundMap> files;
  for (const auto& [name, file] : shards) {
    if (files.contains(file)) continue;
    if (!fs::exists(folder / file)) {
      throw_data("a shard that the index names is missing: " + file, index.string(),
                 "download the model again");
    }
    add_file(folder / file, files[file], maps);
  }
  FoundMap found;
  for (const auto& [name, file] : shards) {
    const auto entry = files[file].find(name);
    if (entry == files[file].end()) {
      throw_data("tensor " + name + " is not in the shard that the index names", (folder / file).string(),
                 "download the model again");
    }
    found[name] = entry->second;
  }
  return found;
}

FoundMap read_gguf_tensors(const fs::path& path, const Architecture& architecture, Maps& maps) {
  const GgufFile file = read_gguf(path);
  maps.push_back(file.map);
  FoundMap found;
  for (const auto& [name, tensor] : gguf_weights(file, architecture)) found[name] = {tensor, path};
  return found;
}

FoundMap read_tensors(const fs::path& folder, Maps& maps) {
  FoundMap found;
  if (fs::exists(folder / kSingle)) {
    add_file(folder / kSingle, found, maps);
  } else if (fs::exists(folder / kIndex)) {
    found = read_sharded(folder, maps);
  } else {
    throw_data(std::string("no weights: neither ") + kSingle + " nor " + kIndex, folder.string(),
               "only safetensors weights are read; download or convert them");
  }
  return found;
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

/// SHA-256 over the configuration and, per tensor, name, type, shape and the bytes at both ends: cheap on any
/// size of model, and different for different fine-tunes of one architecture.
class Fingerprint {
 public:
  Fingerprint() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(std::string_view text) {
    EVP_DigestUpdate(context_.get(), text.data(), text.size());
    EVP_DigestUpdate(context_.get(), "\n", 1);
  }
  void add(const HostTensor& tensor) {
    constexpr std::size_t kEnd = 64;
    const std::size_t size = tensor.bytes();
    const std::size_t end = std::min(size, kEnd);
    add(tensor.describe());
    EVP_DigestUpdate(context_.get(), tensor.data, end);
    EVP_DigestUpdate(context_.get(), tensor.data + (size - end), end);
  }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    std::string text;
    for (unsigned int i = 0; i < size; ++i) text += strf("%02x", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

}  // namespace

void ModelFiles::release_pages() const {
  for (const auto& map : maps) map->release_pages();
}

std::string head_sha256(const ModelFiles& files) {
  const HostTensor head = files.tensors.find(kHead)->packed();
  Sha256 hash;
  hash.update(head.describe());
  hash.update(std::span<const std::byte>(head.data, head.bytes()));
  return hash.finish_hex();
}

ModelFiles load_model_files(const fs::path& model) {
  ModelFiles out;
  out.folder = model;
  out.architecture = read_architecture(model);
  FoundMap found =
      is_gguf(model) ? read_gguf_tensors(model, out.architecture, out.maps) : read_tensors(model, out.maps);

  // Published files carry the head of tied models or leave it out; the embedding stands in for it.
  const bool tied = out.architecture.tied_embeddings;
  if (tied && found.contains(kEmbedding)) found[kHead] = found[kEmbedding];

  Fingerprint fingerprint;
  fingerprint.add(model_config_json(model));
  for (const TensorSpec& spec : expected_tensors(out.architecture)) {
    const auto entry = found.find(spec.name);
    if (entry == found.end()) {
      throw_data("tensor " + spec.name + " is missing", model.string(),
                 spec.name == kHead
                     ? "the model is not tied (tie_word_embeddings), so the file must hold a head"
                     : "config.json and the weights belong to different models; download both again");
    }
    check(spec, entry->second);
    fingerprint.add(spec.name);
    fingerprint.add(entry->second.tensor);
    out.tensors.set(spec.name, std::move(entry->second.tensor));
    found.erase(entry);
  }
  out.fingerprint = fingerprint.hex();
  for (const auto& [name, extra] : found) {
    log(LogLevel::debug, "ignoring tensor " + name + " of " + extra.file.string());
  }
  return out;
}

}  // namespace anemll
