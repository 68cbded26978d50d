// One V2 layer in a reference checkpoint: reading its keys by one rule for all tools, writing them back in
// order.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/quant/internal/v2_layer.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace anemll {

/// What a V2 layer is made of, from a checkpoint or from a float weight, and what was noticed on the way.
struct V2Draft {
  V2Config config;  ///< the given one with lut_size and rank of the tensors
  V2Linear::Tensors tensors;
  bool had_q = false;  ///< the checkpoint held _Q: counts for "Manually loaded N _Q buffers"
  std::vector<std::string> warnings;
};

/// `_indices` with `lut` win if they agree with `_Q` or there is none; else `_Q` is turned into indices (with
/// a warning; refused when a value is more than 1e-3 from every entry); without both the layer is frozen from
/// `.weight` under `config`'s epsilons, g rounded to half when `ste`. Half and bfloat16
/// tensors are widened. Data errors name `file` and key; NaN, infinities and scales whose norms overflow are
/// some.
V2Draft load_layer(const TensorMap& state, const std::string& name, const V2Config& config, bool ste,
                   const std::string& file);

/// The layer's entries in the order of the reference: weight, [bias,] scale_A, scale_B, rank_magnitude, lut,
/// _Q, [_indices,] _scales_baked_flag. Values are taken when an entry is made. `weight` (any float dtype) is
/// written as float32; without data the key is left out.
std::vector<LazyTensor> layer_entries(const V2Linear& layer, const HostTensor& weight, bool with_indices);

}  // namespace anemll
