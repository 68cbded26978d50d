// Scales on an 8-bit grid. Each rank has one step for its column of A (magnitudes multiplied in) and one for
// its row of B, and every entry is a whole number from -127 to 127 of these steps. A step has at most four
// significant bits, so that each product is exact as a half: a file of halves and a file of 8-bit codes hold
// the same factors. Deterministic; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace anemll {

/// The largest whole number of a step.
inline constexpr std::int64_t kGridLevels = 127;

/// The values of --scale-bits: 8 for a grid, 16 for halves. Usage error for another.
void require_scale_bits(std::int64_t bits);

/// Step of every rank: the smallest that reaches the rank's largest magnitude. `rank_dim`: 1 for A [out, r],
/// 0 for B [r, in]. Float [r]. Numerics error for values that are not finite, or that no half on a grid
/// reaches.
at::Tensor grid_steps(const at::Tensor& factor, std::int64_t rank_dim);
/// The nearest values on the grid of these steps, float; half to even, at most kGridLevels steps.
at::Tensor nearest_on_grid(const at::Tensor& factor, const at::Tensor& steps, std::int64_t rank_dim);

/// Both factors of a layer on their grids, float [out, r] and [r, in].
struct GridScales {
  at::Tensor a, b;
  std::int64_t raised = 0;  ///< rows of A that were moved so that their scales stay positive
};
/// The nearest grid values of A and B. A row whose scales were all at least kSmallestPositiveScale keeps
/// that: it is moved along the mean of such rows until it does. Factors that lie on a grid stay as they are,
/// bit for bit. Numerics error where no such factors are found.
GridScales to_scale_grid(const at::Tensor& a, const at::Tensor& b);

/// A factor as whole numbers and steps.
struct GridCodes {
  at::Tensor codes;  ///< int8, the factor's shape
  at::Tensor steps;  ///< float [r]; the greatest that fit, so equal values have equal codes; 0 for no values

  at::Tensor values(std::int64_t rank_dim) const;  ///< float
};
/// Nothing where the factor does not lie on a grid: its values are not halves, or a rank needs more than
/// kGridLevels of any step.
std::optional<GridCodes> grid_codes(const at::Tensor& factor, std::int64_t rank_dim);

}  // namespace anemll
