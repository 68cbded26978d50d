// One V1 layer in a reference checkpoint: reading its keys, writing them back in order.
#pragma once

#include "src/quant/internal/v1_layer.hpp"
#include "src/quant/layer_type.hpp"

#include <string>
#include <vector>

namespace anemll {

/// weight, lut, scale_A and scale_B or full_scales, [bias]. Half and bfloat16 tensors are widened.
/// A layer without any scales in the file starts from its weight there.
/// A stored effective weight is compared with the layer's own. Data errors name `file` and key: NaN and
/// infinities, shapes that do not fit, adapters (lora_A), and weights that are no table values where
/// `quant.snapped` says so are some.
LayerDraft read_v1(const TensorMap& state, const LinearSpec& linear, const LinearQuant& quant, bool ste,
                   const std::string& file);

/// weight, [bias,] scale_A and scale_B or full_scales, lut: the reference's order, as float32.
std::vector<LazyTensor> v1_entries(const V1Linear& layer);

/// Data error unless the values of a weight that counts as snapped lie within 1e-3 of table entries.
void require_table_values(double largest_error, const std::string& key, const std::string& file);

}  // namespace anemll
