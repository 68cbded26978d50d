// The factors as a file holds them and a layer reads them: unit columns and rows, a magnitude that is a half,
// on the caller's grid, and every scale positive, multiplied as floats and as halves.
#pragma once

#include "src/solve/internal/rows.hpp"
#include "src/solve/solve.hpp"

#include <ATen/core/Tensor.h>

namespace anemll {

struct StoredScales {
  at::Tensor scale_A, rank_magnitude, scale_B;  ///< of all rows, columns in the input's order
};

/// What a layer multiplies with: each factor divided by its norms, magnitudes with the layer's epsilon.
/// `rows.now.a` and `.b` are set from it.
void read_scales(Rows& rows, const StoredScales& stored);

/// Sets `rows.limit` from the present scales, then raises rows with a scale under it. The present factors
/// may be any.
void make_positive(Rows& rows);

/// Moves `rows.now` onto what can be stored. Collective. Numerics error when a magnitude is beyond halves.
StoredScales store(Rows& rows, const ScaleProjection& project);

}  // namespace anemll
