// A V2 layer from a float weight: scales, table, frozen indices.
#pragma once

#include "src/quant/internal/layer_state.hpp"
#include "src/quant/layer_type.hpp"

#include <ATen/core/Tensor.h>

namespace anemll {

/// `weight` [out, in], any float dtype, on the CPU; `bias` may be undefined. Uses config's lut_size, rank,
/// group_size and the default table. Its warnings do not name the layer.
V2Draft initial_layer(const at::Tensor& weight, const at::Tensor& bias, const V2Config& config,
                      const InitOptions& options);

}  // namespace anemll
