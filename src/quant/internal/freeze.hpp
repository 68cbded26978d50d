// Choosing the indices: for every weight the table entry nearest to weight / scale. Once, before training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

struct FrozenIndices {
  at::Tensor indices;    ///< uint8 [out, in]
  std::int64_t nan = 0;  ///< weights that got entry 0 because the quotient was NaN
  std::int64_t tiny_scale =
      0;  ///< weights whose |scale| was below 1e-8 and was taken as 1e-8 (its sign kept)
};

/// weight and scale float [out, in] on the CPU, lut float ascending. The quotient is clamped to the table's
/// range; ties take the lower entry. Parallel; the result does not depend on the number of threads.
FrozenIndices freeze_indices(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& lut);

/// What is wrong with a layer whose indices these are, without its name: any NaN, and tiny scales where they
/// are more than one in a thousand (a scale that changes its sign passes by zero here and there).
std::vector<std::string> freeze_warnings(const FrozenIndices& frozen);

/// Indices of given table values (a checkpoint's _Q): the nearest entry, and the largest distance to it.
struct MatchedIndices {
  at::Tensor indices;
  double largest_error = 0;  ///< NaN counts as infinite
};
MatchedIndices match_values(const at::Tensor& values, const at::Tensor& lut);

}  // namespace anemll
