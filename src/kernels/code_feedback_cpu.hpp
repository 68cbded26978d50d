// Table entries chosen one column after the other, each one in view of what the columns before it left. Rows
// are independent of each other, so they are the lanes: everything is [columns, rows], rows adjacent. Knows
// nothing of tensors or threads; callers split over rows (src/solve).
#pragma once

#include "src/kernels/lut_weight_cpu.hpp"

#include <cstdint>

namespace anemll::kernels {

/// `rows` of FeedbackBlock is a multiple of this.
inline constexpr std::int64_t kFeedbackLanes = 32;

/// A block of columns. Column j wants
///   t_j = wanted_j + inverse_j (sums_j + sum over k < j of matrix[j, k] left_k)
/// and gets the entry whose product with its scale is nearest to it (of two the lower); left_j = wanted_j -
/// lut[code_j] scale_j.
struct FeedbackBlock {
  const float* matrix;  ///< entry [j, k] at j * stride + k
  std::int64_t stride;
  const float* inverse;  ///< [columns]
  const float* wanted;   ///< [columns, rows]
  const float* sums;     ///< [columns, rows]
  const float* scale;    ///< [columns, rows], all positive
  LutView lut;
  std::uint8_t* code;  ///< [columns, rows]
  float* left;         ///< [columns, rows]
  std::int64_t columns, rows;
};
void choose_with_feedback(const FeedbackBlock& block);

/// sums[code] += x y: the share of each table entry in a scalar product.
void add_by_code(const std::uint8_t* code, const float* x, const float* y, double* sums, std::int64_t count);

/// sum += x rounded to a multiple of the step of `grid`, which is 1.5 * 2^52 steps. Such sums are exact, so
/// they do not depend on their order.
void add_on_grid(const float* x, double grid, double* sum, std::int64_t count);

}  // namespace anemll::kernels
