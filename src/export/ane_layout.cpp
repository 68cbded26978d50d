#include "src/export/ane_layout.hpp"

#include "anemll/core/error.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"

#include <iterator>
#include <map>
#include <utility>

namespace anemll {
namespace {

/// The keys of a baked layer, with LUT values for `.weight` and the narrow indices that the converters
/// expect.
std::vector<LazyTensor> universal_entries(const QuantLayer& layer, const SnapOptions& options) {
  std::vector<LazyTensor> entries = layer.baked(options.half)->checkpoint_entries({}, true);
  if (options.layout == AneLayout::no_lut)
    std::erase_if(entries, [](const LazyTensor& entry) { return entry.name.ends_with(".lut"); });
  LazyTensor weight;
  for (LazyTensor& entry : entries) {
    if (entry.name.ends_with("._Q")) {
      weight = entry;
      weight.name = layer.name() + ".weight";
    }
    if (!entry.name.ends_with("._indices")) continue;
    entry.dtype = DType::i16;
    entry.make = [wide = std::move(entry.make)] { return as_host(as_torch(wide()).to(at::kShort)); };
  }
  if (weight.name.empty())
    throw_usage("the universal layout holds V2 layers alone", layer.name(),
                "this one is of type " + layer.quant().type + ": convert the checkpoint to V2 first");
  entries.insert(entries.begin(), std::move(weight));
  return entries;
}

std::vector<LazyTensor> entries_of(const SnapLayer& layer, const SnapOptions& options, CastCounts& counts) {
  std::vector<LazyTensor> entries = is_baked(options.layout)
                                        ? universal_entries(*layer.linear, options)
                                        : layer.linear->checkpoint_entries(layer.weight, true);
  for (LazyTensor& entry : entries) {
    if (entry.dtype == DType::f32)
      entry = options.half ? half_entry(std::move(entry), counts) : finite_entry(std::move(entry));
  }
  return entries;
}

LazyTensor other_tensor(const std::string& name, const HostTensor& tensor) {
  if (tensor.dtype != DType::bf16) return lazy(name, tensor);
  return {name, DType::f32, tensor.shape, [tensor] { return as_host(as_torch(tensor).to(at::kFloat)); }, {}};
}

}  // namespace

std::vector<LazyTensor> ane_state_dict(const std::vector<TensorSpec>& expected,
                                       const std::vector<SnapLayer>& layers, const TensorMap& others,
                                       const SnapOptions& options, CastCounts& counts) {
  std::map<std::string, const SnapLayer*> by_weight;
  for (const SnapLayer& layer : layers) by_weight[layer.linear->name() + ".weight"] = &layer;

  const HostTensor* embedding = others.find(kEmbeddingName);
  std::vector<LazyTensor> result;
  for (const TensorSpec& spec : expected) {
    if (const auto found = by_weight.find(spec.name); found != by_weight.end()) {
      std::vector<LazyTensor> entries = entries_of(*found->second, options, counts);
      std::move(entries.begin(), entries.end(), std::back_inserter(result));
      continue;
    }
    // A quantised linear writes its own bias.
    if (spec.name.ends_with(".bias") &&
        by_weight.contains(spec.name.substr(0, spec.name.size() - 4) + "weight"))
      continue;
    const HostTensor* tensor = others.find(spec.name);
    if (tensor == nullptr)
      throw_data("a tensor of the model is missing", spec.name, "give --model-id of the model it belongs to");
    LazyTensor other = other_tensor(spec.name, *tensor);
    result.push_back(options.half && is_floating(other.dtype) && other.dtype != DType::f16
                         ? noted_entry(std::move(other), counts)
                         : std::move(other));
    if (spec.role == TensorRole::head && embedding != nullptr && tensor->data == embedding->data)
      result.back().alias_of = kEmbeddingName;
  }
  return result;
}

}  // namespace anemll
