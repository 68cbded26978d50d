// How near a V2 layer of some table and rank comes to a weight, by an alternating fit to the weight alone:
// nearest codes, rows of A and columns of B by weighted least squares, the table in closed form. For
// estimates: it knows the inputs by their mean squares at most. Deterministic.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct WeightFit {
  at::Tensor weight;  ///< lut[codes] o (A B), float [out, in]
  double error = 0;   ///< squared error over the squared weight, both by `column_weight`
};

/// `weight` float [out, in] on the CPU. An error in column j counts `column_weight[j]` times (float [in], or
/// undefined).
WeightFit fit_weight(const at::Tensor& weight, const at::Tensor& column_weight, std::int64_t lut_size,
                     std::int64_t rank);

}  // namespace anemll
