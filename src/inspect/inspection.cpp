#include "src/inspect/inspection.hpp"

#include "src/model/torch_bridge.hpp"

#include <cstddef>
#include <utility>

namespace anemll {

Inspection inspect_layers(Student& student, const ModelFiles& model, const TokenRows* rows, at::Device device,
                          double gradient_scale) {
  Inspection found;
  OutputErrors errors;
  if (rows != nullptr) errors = output_errors(model, student, *rows, device);
  for (std::size_t i = 0; i < student.layers().size(); ++i) {
    QuantLayer& layer = *student.layers()[i];
    const at::Tensor weight = as_torch(*model.tensors.find(layer.name() + ".weight"));
    found.layers.push_back(layer_statistics(layer, weight, gradient_scale));
    if (rows != nullptr) found.layers.back().output = errors.linears[i];
  }
  found.blocks = std::move(errors.blocks);
  sort_worst_first(found.layers);
  return found;
}

}  // namespace anemll
