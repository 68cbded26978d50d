// Casts to half for files that FP16 hardware reads: never an infinity, never a NaN, and every value that
// half could not hold is counted.
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

struct CastCounts {
  std::int64_t values = 0;     ///< cast so far
  std::int64_t saturated = 0;  ///< would have become infinite; written as +-65504
  std::int64_t flushed = 0;    ///< not zero before, zero after
  /// Names of the tensors with saturated values, or with values that saturate in whoever reads them as half.
  std::vector<std::string> beyond_half;
};

/// Round to nearest even, saturating. Throws a numerics error that names the tensor when x holds a NaN or an
/// infinity.
at::Tensor cast_to_half(const at::Tensor& x, const std::string& name, CastCounts& counts);

/// Throws the same error for x as it is.
void require_finite(const at::Tensor& x, const std::string& name);

/// A float entry of a file, cast when it is made (`counts` must outlive it), or only checked.
LazyTensor half_entry(LazyTensor entry, CastCounts& counts);
LazyTensor finite_entry(LazyTensor entry);
/// A float entry that stays as it is, but whose readers cast it: noted when half cannot hold its values.
LazyTensor noted_entry(LazyTensor entry, CastCounts& counts);

}  // namespace anemll
