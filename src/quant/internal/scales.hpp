// Where scale factors start: group maxima of |W|, their truncated singular value decomposition, or a rank-one
// estimate. Runs on the CPU in double precision; deterministic. Any thread.
#pragma once

#include "anemll/quant/layer_modes.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct InitialScales {
  at::Tensor scale_A;         ///< [out, r], orthonormal columns (up to r = out)
  at::Tensor scale_B;         ///< [r, in], orthonormal rows (up to r = in)
  at::Tensor rank_magnitude;  ///< [r], every value a half
};

/// M [out, G]: the largest |w| of each group of `group_size` columns (the last group may be shorter), at
/// least 1e-8.
at::Tensor group_maxima(const at::Tensor& weight, std::int64_t group_size);

/// Factors of the best rank-r approximation of the scales M repeated over their groups. Components beyond the
/// numerical rank of M (at most G) start at magnitude 0 on fixed directions orthogonal to the others: their
/// singular vectors would be noise.
InitialScales svd_scales(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size,
                         SvdFloor floor = SvdFloor::reference);

/// Without a decomposition: component 0 is (row means) x (group means) of M, the others as above.
InitialScales fast_scales(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size);

/// Two factors whose product is the scales of all columns, those that fill up the last group among them.
struct PlainFactors {
  at::Tensor a;  ///< [out, r], singular values folded in
  at::Tensor b;  ///< [r, padded], orthonormal rows (up to r = padded)
};
/// The best rank-r approximation of M repeated over its groups, which are all of `group_size` columns.
/// Components beyond the numerical rank of M have a zero column in `a`.
PlainFactors svd_factors(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size);
/// Without a decomposition: fast_scales() with its magnitudes folded in.
PlainFactors fast_factors(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size);

}  // namespace anemll
