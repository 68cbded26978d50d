// The CPU loops of a weight on a uniform grid: the index comes by rounding, not by looking for the nearest
// table entry. Each works on a range of elements and knows nothing of tensors or threads.
#pragma once

#include <cstdint>

namespace anemll::kernels {

/// Positions of a table's entries over [-1, 1].
struct IndexGrid {
  std::int64_t size;   ///< entries, 2 to 256
  bool split = false;  ///< size / 2 steps below zero and size / 2 - 1 from zero on; else equal steps
};

/// Scales below it, negative ones among them, count as this.
inline constexpr float kSmallestGridScale = 1e-8F;

/// index = the grid position of weight / scale, clamped to [-1, 1] and rounded half to even. Every operation
/// rounds once, as the reference's do. NaN gets entry 0.
void grid_index(const float* weight, const float* scale, IndexGrid grid, std::uint8_t* index,
                std::int64_t count);

/// gradient = 0 where the scale counts as the smallest.
void zero_where_raised(const float* scale, float* gradient, std::int64_t count);

}  // namespace anemll::kernels
