// A V2 layer out of a V1 layer: unit factors with their norms as magnitudes, and frozen indices.
#pragma once

#include "src/quant/internal/layer_state.hpp"
#include "src/quant/internal/v1_layer.hpp"

#include <cstdint>

namespace anemll {

/// The table and the bias are V1's. Scales keep their sign, so that weights whose scale V1 raised to 1e-8
/// come out other than there. Indices are the nearest entries to W / S under V2's scales (g rounded to half
/// when `ste`), or those of a weight that is snapped to table values. Full scales become factors of
/// `rank_of_full`; a warning tells the error. Warnings do not name the layer.
V2Draft v2_of_v1(const V1Linear& v1, std::int64_t rank_of_full, bool ste);

}  // namespace anemll
