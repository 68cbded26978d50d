// What two checkpoints differ in: names, types, shapes, values, indices. Needs no model and no config.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/inspect/figure.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// A tensor that both have.
struct TensorDifference {
  std::string name;
  std::string first, second;  ///< "float32[3, 4]"
  bool same_shape = true;     ///< without it no values are compared
  std::int64_t values = 0;
  std::int64_t changed = 0;     ///< values that are not the same number; NaN is the same as NaN
  std::int64_t not_finite = 0;  ///< changed ones where either is NaN or infinite: not in the figures below
  double largest = 0, sum = 0;  ///< of |first - second| over the finite pairs

  double mean() const;  ///< over the finite pairs
  bool same() const { return same_shape && first == second && changed == 0; }
};
std::span<const Column<TensorDifference>> difference_columns();

struct CheckpointDiff {
  std::vector<std::string> only_first, only_second;  ///< in file order
  std::vector<TensorDifference> differing;           ///< other shapes first, then the largest differences
  std::int64_t common = 0;                           ///< tensors that both have, the equal ones too

  /// Over the tensors of indices that both have in one shape, those without a change too.
  std::int64_t indices = 0, changed_indices = 0, changed_index_layers = 0;

  bool same() const { return only_first.empty() && only_second.empty() && differing.empty(); }
};

/// `before` is called before each tensor of `first` with its place.
CheckpointDiff diff_tensors(const TensorMap& first, const TensorMap& second,
                            const std::function<void(std::int64_t)>& before = {});

}  // namespace anemll
