// One row of teacher logits: whether it is sound, and its largest entries in order. No threads, no tensors.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace anemll::kernels {

struct ScoredId {
  float value;
  std::int32_t id;
  /// Larger values first, the lower id first among equals.
  bool before(const ScoredId& other) const {
    return value > other.value || (value == other.value && id < other.id);
  }
};

bool all_finite(std::span<const float> row);
bool all_finite(std::span<const Bf16> row);

/// The `count` largest entries of `row` in the order of `before`; fewer when the row is shorter. The row must
/// not hold NaN.
void largest(std::span<const float> row, std::size_t count, std::vector<ScoredId>& out);
void largest(std::span<const Bf16> row, std::size_t count, std::vector<ScoredId>& out);

}  // namespace anemll::kernels
