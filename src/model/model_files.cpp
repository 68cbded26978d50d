// Opening a model: what its tensors must be, and who it is.
#include "anemll/model/model_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/finite.hpp"
#include "src/core/hash.hpp"
#include "src/core/shell_word.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/fingerprint.hpp"
#include "src/model/internal/gguf_weights.hpp"
#include "src/model/internal/value_digest.hpp"
#include "src/model/internal/weight_faults.hpp"
#include "src/model/internal/weight_files.hpp"
#include "src/model/internal/weight_layout.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/weight_check.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

FoundMap read_gguf_tensors(const OpenModel& model, Maps& maps, Inventory& inventory) {
  maps.insert(maps.end(), model.gguf->maps.begin(), model.gguf->maps.end());
  FoundMap found;
  for (const auto& [name, tensor] :
       gguf_weights(*model.gguf, model.architecture, *find_family(model.families, model.architecture.family),
                    inventory))
    found[name] = {tensor, model.path};
  return found;
}

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  const HostTensor left = a.packed(), right = b.packed();
  return std::memcmp(left.data, right.data, left.bytes()) == 0;
}

/// A file may hold a head although the configuration ties it to the embedding: equal bytes are the same
/// thing; other values are a model of their own, whatever the configuration says (as transformers decides
/// since 5.12). Where the file holds the head alone, the embedding is the head.
void settle_head(ModelFiles& model, FoundMap& found) {
  if (!model.architecture.tied_embeddings) return;
  const auto head = found.find(kHeadName);
  if (!found.contains(kEmbeddingName)) {
    if (head != found.end()) found[kEmbeddingName] = head->second;
    return;
  }
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
               "weights must be F32, F16 or BF16: python3 -c " +
                   shell_word("from transformers import AutoModelForCausalLM as M; M.from_pretrained(" +
                              python_text(found.file.parent_path().string()) +
                              ", dtype=\"float32\").save_pretrained(\"NEW\")") +
                   ", then copy the tokenizer's files to NEW");
  }
  if (found.tensor.shape == spec.shape) return;
  refuse_empty(spec.name, found);
  const bool same_count = found.tensor.numel() == expected.numel();
  const bool words = spec.role == TensorRole::embedding || spec.role == TensorRole::head;
  const bool resized = words && found.tensor.shape.size() == 2 && found.tensor.shape[1] == spec.shape[1];
  throw_data(
      "tensor " + spec.name + " is " + found.tensor.describe() + ", config.json says " + expected.describe(),
      found.file.string(),
      resized ? strf("the vocabulary was resized, or config.json is another model's: correct its "
                     "vocab_size to %lld, or download both again (hf download ORG/NAME)",
                     static_cast<long long>(found.tensor.shape[0]))
      : same_count
          ? "it has the right number of values in another shape: the tool that wrote it changed it; save the "
            "model with save_pretrained of the Python library transformers"
          : "config.json and the weights belong to different models; download both again (hf download "
            "ORG/NAME)");
}

/// What may be the cause when a tensor is missing, and what to do.
std::string hint_for_missing(const TensorSpec& spec, const Architecture& architecture,
                             const FoundMap& found) {
  if (spec.role == TensorRole::head && !architecture.tied_embeddings)
    return "the model is not tied, so the file must hold a head: download it again (hf download ORG/NAME), "
           "or set "
           "tie_word_embeddings in config.json";
  std::int64_t layers = 0;
  std::string quantised;
  for (const auto& [name, entry] : found) {
    layers = std::max(layers, layer_of(name).value_or(-1) + 1);
    for (const std::string_view part : {".qweight", ".weight_packed", ".weight_scale", ".absmax"}) {
      if (name.find(part) != std::string::npos) quantised = name;
    }
  }
  if (!quantised.empty())
    return strf("the weights are quantised (%s): use the original model (ORG/NAME), or a GGUF file of it",
                quantised.c_str());
  if (layers > 0 && static_cast<std::int64_t>(spec.layer) >= layers)
    return strf(
        "config.json has %lld layers, the weights have %lld: they belong to different models; download "
        "both again (hf download ORG/NAME)",
        static_cast<long long>(architecture.layer_count()), static_cast<long long>(layers));
  if (layers > 0) return "the weights are incomplete: download the model again (hf download ORG/NAME)";
  return strf(
      "the tensors have names that are not known%s%s: save the model with save_pretrained of the Python "
      "library transformers",
      found.empty() ? "" : ", such as ", found.empty() ? "" : found.begin()->first.c_str());
}

/// Settles what is there before the first value is looked at.
void check_all(const std::vector<TensorSpec>& specs, const Architecture& architecture, const FoundMap& found,
               const fs::path& model) {
  for (const TensorSpec& spec : specs) {
    const auto entry = found.find(spec.name);
    if (entry == found.end()) {
      throw_data("tensor " + spec.name + " is missing", model.string(),
                 hint_for_missing(spec, architecture, found));
    }
    check(spec, entry->second);
  }
}

/// All tensors in the known layout; those that the model needs fit. No value was looked at but those of
/// heads.
FoundMap find_tensors(const OpenModel& model, ModelFiles& out) {
  out.folder = model.path;
  out.architecture = model.architecture;
  out.inventory = model.inventory;
  FoundMap found = model.gguf ? read_gguf_tensors(model, out.maps, out.inventory)
                              : read_folder_tensors(model.path, out.maps, out.inventory);
  if (!model.gguf) {
    refuse_adapters(found, model.path);
    to_known_layout(found, out.architecture);
  }
  settle_head(out, found);
  check_all(expected_tensors(out.architecture), out.architecture, found, model.path);
  return found;
}

/// One look at all values: whether they are numbers, and their digest.
ValueDigest look_at(const TensorSpec& spec, const Found& found) {
  const ValueDigest values = digest_values(found.tensor);
  if (!values.finite) {
    require_finite(found.tensor, "tensor " + spec.name, found.file.string(),
                   "the file is damaged or its training diverged: " + fetch_advice(found.file));
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

std::vector<fs::path> check_weights(const OpenModel& model) {
  ModelFiles out;
  if (model.gguf) {
    out.maps = model.gguf->maps;  // its tensors were listed when it was opened
  } else {
    find_tensors(model, out);
  }
  std::vector<fs::path> files;
  for (const auto& map : out.maps) files.push_back(map->path());
  return files;
}

ModelFiles load_model_files(const OpenModel& model) {
  ModelFiles out;
  FoundMap found = find_tensors(model, out);
  const std::vector<TensorSpec> specs = expected_tensors(out.architecture);

  Fingerprint fingerprint(out.architecture);
  FirstFingerprint first(model.config);
  ValueDigest embedding;
  for (const TensorSpec& spec : specs) {
    const auto entry = found.find(spec.name);
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
