#include "src/export/packed_file.hpp"

#include "anemll/core/error.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/packed_layer.hpp"

#include <iterator>
#include <utility>

namespace anemll {
namespace {

/// The narrowest type that holds every value.
at::ScalarType narrowest(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16) return tensor.scalar_type();
  const at::Tensor wide = tensor.to(at::kFloat);
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    if (wide.to(type).to(at::kFloat).equal(wide)) return type;
  }
  return at::kFloat;
}

LazyTensor other_tensor(const std::string& name, const HostTensor& tensor) {
  if (!is_floating(tensor.dtype)) return lazy(name, tensor);
  const at::ScalarType type = narrowest(as_torch(tensor));
  return {name,
          from_torch(type),
          tensor.shape,
          [tensor, type] { return as_host(as_torch(tensor).to(type).contiguous()); },
          {}};
}

bool has_tied_head(const TensorMap& others) {
  const HostTensor* embedding = others.find(kEmbeddingName);
  const HostTensor* head = others.find(kHeadName);
  return embedding != nullptr && head != nullptr && embedding->data == head->data;
}

}  // namespace

std::vector<LazyTensor> packed_state_dict(const std::vector<TensorSpec>& expected,
                                          const std::vector<SnapLayer>& layers, const TensorMap& others,
                                          CastCounts& counts) {
  std::map<std::string, const QuantLayer*> linears;  // by the names of their float tensors
  for (const SnapLayer& layer : layers) {
    linears[layer.linear->name() + ".weight"] = layer.linear;
    linears[layer.linear->name() + ".bias"] = nullptr;  // comes with its layer
  }
  std::vector<LazyTensor> result;
  for (const TensorSpec& spec : expected) {
    if (const auto found = linears.find(spec.name); found != linears.end()) {
      if (found->second == nullptr) continue;
      std::vector<LazyTensor> entries = packed_entries(*found->second, counts);
      std::move(entries.begin(), entries.end(), std::back_inserter(result));
      continue;
    }
    if (spec.role == TensorRole::head && has_tied_head(others)) continue;
    const HostTensor* tensor = others.find(spec.name);
    if (tensor == nullptr)
      throw_data("a tensor of the model is missing", spec.name, "give --model-id of the model it belongs to");
    result.push_back(other_tensor(spec.name, *tensor));
  }
  return result;
}

std::map<std::string, std::string> packed_metadata(const TensorMap& others, const std::string& config) {
  std::map<std::string, std::string> metadata = {{std::string(kPackedKey), std::string(kPackedVersion)},
                                                 {std::string(kPackedConfig), config}};
  if (has_tied_head(others)) metadata.emplace(kPackedTied, std::string(1, '1'));
  return metadata;
}

}  // namespace anemll
