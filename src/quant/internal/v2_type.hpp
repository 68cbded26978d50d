// The V2 layer as a layer type: its table of tensors, and its three ways into being.
#pragma once

#include "src/quant/internal/v2_layer.hpp"
#include "src/quant/layer_type.hpp"

namespace anemll {

LayerType v2_layer_type();

/// Of native states: present when scales are taken as absolute values.
inline constexpr std::string_view kForcePositive = "._force_positive_scales";

/// The rows of a V2 layer, in the order of native states.
std::vector<TensorRow> v2_table(std::int64_t out, std::int64_t in, const LinearQuant& quant);

V2Config v2_config(const LinearQuant& quant);

}  // namespace anemll
