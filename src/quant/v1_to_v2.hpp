// A V2 layer out of a V1 layer: unit factors with their norms as magnitudes, and frozen indices.
#pragma once

#include "anemll/model/architecture.hpp"
#include "anemll/quant/quant_spec.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// What a V1 linear with the numbers `from` becomes. Table and rank stay. Rank 0, a scale for each weight,
/// becomes `rank_of_full`, or the smaller side of the weight where that is less.
LinearQuant v2_quant_of_v1(const LinearSpec& linear, const LinearQuant& from, std::int64_t rank_of_full);

struct V2OfV1 {
  LayerTensors tensors;  ///< of a V2 layer
  /// float [out, in], to which the indices are nearest: V1's own weight. Where a snap left table values in
  /// its place, these times the scales.
  at::Tensor weight;
  std::optional<double> factor_error;  ///< of full scales: ||A B - S|| / ||S||
  std::vector<std::string> warnings;   ///< without the layer's name
};

/// `v1`: the tensors of a V1 layer (LayerType::read). The table and the bias are V1's. Scales keep their
/// sign, so that weights whose scale V1 raised to 1e-8 come out other than there. Indices are the nearest
/// entries to W / S under V2's scales (g rounded to half when `ste`).
V2OfV1 v2_of_v1(const LinearSpec& linear, const LinearQuant& from, LayerTensors v1, std::int64_t rank_of_full,
                bool ste);

}  // namespace anemll
