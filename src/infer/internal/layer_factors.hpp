// What a V2 layer is made of, with its magnitudes folded in: the two ways to compute it without its weight
// start here.
#pragma once

#include "src/quant/layer.hpp"

#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace anemll {

/// W = lut[indices] o (a b).
struct LayerFactors {
  at::Tensor a;        ///< [out, r]
  at::Tensor b;        ///< [r, in]
  at::Tensor lut;      ///< [n]
  at::Tensor indices;  ///< uint8 [out, in]
  at::Tensor bias;     ///< [out] or undefined
};

/// Nothing for layers of other types. `half`: magnitudes are rounded as STE rounds them.
std::optional<LayerFactors> layer_factors(const QuantLayer& layer, bool half);

/// The tensor of a layer's table with that suffix; undefined where there is none.
at::Tensor layer_tensor(QuantLayer& layer, std::string_view suffix);

}  // namespace anemll
