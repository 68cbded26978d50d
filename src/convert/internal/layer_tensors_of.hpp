// What a conversion reads of a layer.
#pragma once

#include "src/quant/layer.hpp"

#include <memory>
#include <string>

#include <ATen/ops/mm.h>

namespace anemll {

/// Its tensors on the CPU, by suffix; those that are absent are left out.
inline LayerTensors tensors_of(QuantLayer& layer) {
  LayerTensors tensors;
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.slot->defined()) tensors[std::string(tensor.row.suffix)] = tensor.slot->detach().cpu();
  }
  return tensors;
}

/// S [out, in] of a V2 layer: the scales with nothing rounded.
inline at::Tensor scale_matrix(const QuantLayer& layer) {
  const std::unique_ptr<QuantLayer> baked = layer.baked(/*half=*/false);
  const LayerTensors t = tensors_of(*baked);
  return at::mm(t.at(".scale_A").mul(t.at(".rank_magnitude")), t.at(".scale_B"));
}

}  // namespace anemll
