#include "src/convert/merge.hpp"

#include "anemll/core/error.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

namespace anemll {
namespace {

/// A tensor in its own precision, cast when it is made.
LazyTensor cast_entry(const std::string& name, const std::vector<std::int64_t>& shape, DType dtype,
                      std::function<at::Tensor()> value, CastCounts& counts) {
  LazyTensor entry{name, DType::f32, shape, {}, {}};
  entry.make = [value = std::move(value)] {
    const at::NoGradGuard no_grad;
    return as_host(value().detach().cpu().to(at::kFloat).contiguous());
  };
  if (dtype == DType::f16) return half_entry(std::move(entry), counts);
  entry = finite_entry(std::move(entry));
  if (dtype == DType::f32) return entry;
  entry.dtype = dtype;
  entry.make = [dtype, wide = std::move(entry.make)] {
    return as_host(as_torch(wide()).to(to_torch(dtype)).contiguous());
  };
  return entry;
}

// The class of transformers 5 for any tokenizer.json, and what version 4 calls it.
constexpr const char* kNewClass = "TokenizersBackend";
constexpr const char* kOldClass = "PreTrainedTokenizerFast";

/// What readers of before rope_parameters look for; without it they take a theta of their own.
void add_old_rope(nlohmann::ordered_json& config) {
  const auto rope = config.find("rope_parameters");
  if (rope == config.end() || !rope->is_object()) return;
  nlohmann::ordered_json scaling = *rope;
  if (const auto theta = scaling.find("rope_theta"); theta != scaling.end()) {
    config["rope_theta"] = *theta;
    scaling.erase("rope_theta");
  }
  const std::string type = scaling.value("rope_type", std::string("default"));
  if (type != "default" && !config.contains("rope_scaling")) config["rope_scaling"] = scaling;
}

}  // namespace

DType merged_dtype(MergedType type, const ModelFiles& model) {
  switch (type) {
    case MergedType::bf16:
      return DType::bf16;
    case MergedType::fp16:
      return DType::f16;
    case MergedType::fp32:
      return DType::f32;
    case MergedType::automatic:
      break;
  }
  return model.tensors.find(kEmbeddingName)->dtype;
}

std::vector<LazyTensor> merged_tensors(const Student& student, DType dtype, CastCounts& counts) {
  const ModelFiles& files = student.files();
  std::map<std::string, const QuantLayer*> layers;
  for (const QuantLayer* linear : student.layers()) layers[linear->name()] = linear;
  std::map<std::string, at::Tensor> norms;
  for (const auto& norm : student.norms()) norms[norm.name] = norm.tensor;
  std::vector<LazyTensor> tensors;
  for (const TensorSpec& spec : expected_tensors(files.architecture)) {
    if (spec.role == TensorRole::head && files.architecture.tied_embeddings) continue;
    const auto add = [&](std::function<at::Tensor()> value) {
      tensors.push_back(cast_entry(spec.name, spec.shape, dtype, std::move(value), counts));
    };
    const auto found = layers.find(spec.name.substr(0, spec.name.rfind('.')));
    if (spec.role == TensorRole::weight && found != layers.end()) {
      add([layer = found->second] { return layer->effective_weight(at::kFloat); });
    } else if (spec.role == TensorRole::bias && found != layers.end()) {
      for (LazyTensor& entry : found->second->checkpoint_entries({}, false)) {
        if (entry.name == spec.name) add([make = std::move(entry.make)] { return as_torch(make()); });
      }
    } else if (const auto norm = norms.find(spec.name); norm != norms.end()) {
      add([tensor = norm->second] { return tensor; });
    } else {
      add([tensor = *files.tensors.find(spec.name)] { return as_torch(tensor); });
    }
  }
  return tensors;
}

std::string merged_config(const std::string& config, DType dtype, bool tied, const std::string& source) {
  nlohmann::ordered_json object = nlohmann::ordered_json::parse(config, nullptr, false);
  if (!object.is_object()) throw_data("config.json is not a JSON object", source, "download the model again");
  bool named = false;
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (!object.contains(key)) continue;
    object[key] = name_of(dtype);
    named = true;
  }
  if (!named) object["torch_dtype"] = name_of(dtype);
  object["tie_word_embeddings"] = tied;
  add_old_rope(object);
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string merged_tokenizer_config(const std::string& text) {
  nlohmann::ordered_json object = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!object.is_object() || object.value("tokenizer_class", nlohmann::ordered_json()) != kNewClass)
    return text;
  object["tokenizer_class"] = kOldClass;
  return object.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace anemll
