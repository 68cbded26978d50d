// Scales without a negative entry. Some programs clamp S = A B from below and so compute another model
// wherever S < 0. Here A, B and the indices are fitted anew until every scale is positive, as near to the
// weight as that allows. Deterministic; any thread.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Every scale is at least this: well above the 1e-8 that those programs clamp to.
inline constexpr double kSmallestPositiveScale = 1e-6;

/// A layer W = lut[indices] o (a b) on the CPU.
struct PositiveSource {
  at::Tensor indices;  ///< uint8 [out, in]
  at::Tensor lut;      ///< float [n], ascending
  at::Tensor a;        ///< float [out, r]
  at::Tensor b;        ///< float [r, in]
  /// float [in]: what an error in this column of W counts, the mean square of the input there; undefined: all
  /// columns count the same.
  at::Tensor column_weight;
  bool half = true;  ///< the factors will be written as halves: they are chosen among halves
};

struct PositiveFit {
  at::Tensor a, b, indices;  ///< shapes and types of the source; where nothing was below, the source's own
  std::int64_t below = 0;    ///< scales of the source under kSmallestPositiveScale
  std::int64_t recoded = 0;  ///< indices that changed
  /// Weighted errors relative to W: of the fit, and of the source where its scales are clamped. Sums of
  /// squares stand beside the sum of the weight's, so that layers can be added up.
  double squared_error = 0, squared_clamped = 0, squared_weight = 0;
};

/// The factors keep their rank. Rows of A with B fixed and columns of B with A fixed are weighted least
/// squares with the bound as a penalty, in turns; an index is the nearest table entry to W over the new
/// scale, so that a weight whose scale was negative gets the entry of the other sign. A row or column changes
/// only where that lowers the error, or where it was under the bound. Numerics error when no such factors are
/// found.
PositiveFit fit_positive_scales(const PositiveSource& source);

/// Factors without a negative entry of the matrix `m` [rows, columns] >= 0, of rank r: a [rows, r], b [r,
/// columns]. An entry of column j counts `column_weight[j]` times (float [columns], or undefined). By
/// multiplicative updates from a fixed start.
struct NonNegativeFactors {
  at::Tensor a, b;
};
NonNegativeFactors non_negative_factors(const at::Tensor& m, std::int64_t rank,
                                        const at::Tensor& column_weight = {});

}  // namespace anemll
