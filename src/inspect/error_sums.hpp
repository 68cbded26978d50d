// Sums over pairs of values of which the figures of an error follow, in double. Parts of a tensor and batches
// add up.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct ErrorSums {
  double absolute = 0;  ///< of |value - wanted|
  double squared = 0;   ///< of (value - wanted)^2
  double wanted = 0;    ///< of wanted^2
  std::int64_t count = 0;

  /// Tensors of one shape, any float type and device. `rows`: of tensors [..., n], the places of the vectors
  /// that count, int64; undefined: all.
  void add(const at::Tensor& value, const at::Tensor& target, const at::Tensor& rows = {});

  // NaN when nothing was added.
  double mean_absolute() const;
  double root_mean_square() const;
  /// ||value - wanted|| / ||wanted||: 0 for equal values, infinite where wanted is zero and value is not.
  double relative() const;
};

}  // namespace anemll
