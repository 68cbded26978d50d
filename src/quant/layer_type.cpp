#include "src/quant/layer_type.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/float_type.hpp"
#include "src/quant/internal/v1_type.hpp"
#include "src/quant/internal/v2_type.hpp"

#include <algorithm>
#include <utility>

namespace anemll {
namespace {

std::vector<LayerType>& types() {
  // In the order of recognition: V2 takes every layer that has a scale_A.
  static std::vector<LayerType> list{v1_layer_type(), v2_layer_type(), float_layer_type()};
  return list;
}

}  // namespace

const LayerType& layer_type(std::string_view name) {
  std::string known;
  for (const LayerType& type : types()) {
    if (type.name == name) return type;
    known.append(known.empty() ? "" : ", ").append(type.name);
  }
  throw_usage("there is no layer type '" + std::string(name) + "'", "quantisation", "known: " + known);
}

std::optional<LinearQuant> recognise_layer(const TensorFinder& find, const std::string& layer,
                                           const std::string& file) {
  for (const LayerType& type : types()) {
    if (auto quant = type.recognise(find, layer, file)) return quant;
  }
  return std::nullopt;
}

void register_layer_type(LayerType type) {
  const auto same = std::find_if(types().begin(), types().end(),
                                 [&](const LayerType& known) { return known.name == type.name; });
  if (same == types().end())
    types().push_back(std::move(type));
  else
    *same = std::move(type);
}

LayerTensors tensors_of_state(const std::vector<TensorRow>& table, const std::string& layer,
                              const TensorFinder& find, const std::string& where) {
  LayerTensors tensors;
  for (const TensorRow& row : table) {
    const std::string name = layer + std::string(row.suffix);
    const HostTensor* tensor = find(name);
    if (tensor == nullptr && row.optional) continue;
    if (tensor == nullptr) throw_data("has no tensor " + name, where, "the checkpoint is of another model");
    tensors[std::string(row.suffix)] = as_torch(*tensor).clone();
  }
  return tensors;
}

}  // namespace anemll
