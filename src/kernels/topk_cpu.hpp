// Loops over one row of teacher logits: the largest entries in order, and log-sum-exp at two temperatures. No
// threads, no tensors; sums have a fixed lane layout, so a result depends on its row alone.
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

/// The `count` largest entries of `row` in the order of `before`; fewer when the row is shorter or holds NaN.
void largest(std::span<const float> row, std::size_t count, std::vector<ScoredId>& out);
void largest(std::span<const Bf16> row, std::size_t count, std::vector<ScoredId>& out);

/// sum exp(row[i] - max) and sum exp((row[i] - max) / T). The second is not computed (0) when
/// `inverse_temperature` is 1.
struct TwoSums {
  float max = 0;
  double plain = 0;
  double tempered = 0;
};
TwoSums exp_sums(std::span<const float> row, float inverse_temperature);
TwoSums exp_sums(std::span<const Bf16> row, float inverse_temperature);

}  // namespace anemll::kernels
