// The moments of an input as the steps use them: columns ordered by falling diagonal (what counts most is
// chosen first), scaled to a mean diagonal of one, factored. Immutable; any thread.
#pragma once

#include "src/solve/solve.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct SolveMoments::Parts {
  std::int64_t in = 0;
  double scale = 0;     ///< of the given moments: their mean diagonal
  double ridge = 0;     ///< what `diagonal` and `h` hold beside the moments
  at::Tensor order;     ///< long [in]: where in the input column j of everything here stands
  at::Tensor inverse;   ///< long [in]: its inverse
  at::Tensor diagonal;  ///< float [in], with the ridge
  // Of full moments alone.
  at::Tensor h;                 ///< float [in, in], with the ridge
  at::Tensor inverse_diagonal;  ///< float [in]: of h
  /// H + damp = M M^T with M upper triangular. A row w - w^ costs |(w - w^) M|^2, so that column j, after
  /// those before it, wants (sum over k < j of (w_k - w^_k) M_kj) / M_jj added.
  at::Tensor feedback;          ///< float [in, in]: M^T
  at::Tensor inverse_feedback;  ///< float [in]: 1 / M_jj
  /// Float, or undefined: [in, in], a C (H + damp)^-1; of outputs [out, in], a D (H + damp)^-1.
  at::Tensor correction;
  CrossOf cross_of = CrossOf::inputs;

  bool full() const { return h.defined(); }
};

/// Moments of an input of which nothing is known: all columns count the same, in their own order.
SolveMoments even_moments(std::int64_t in);

}  // namespace anemll
