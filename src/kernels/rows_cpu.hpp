// The raw CPU kernels: each works on a range of rows and knows nothing of tensors or threads. Callers split
// the rows (functions.cpp). Types: float or Bf16 for operands of GEMMs, float for the residual stream.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

using Index = std::int64_t;

// RMSNorm with the residual add in front: sum = hidden + delta, normed = sum * inv_rms * weight.
// `delta` and `sum` are null together: then hidden itself is normalised. inv_rms [rows].
#define ANEMLL_DECLARE(D, N)                                                                                 \
  void add_norm_rows(const float* hidden, const D* delta, const float* weight, float eps, float* sum,        \
                     N* normed, float* inv_rms, Index width, Index begin, Index end);                        \
  /* grad_sum may be null (nothing flows in). Writes grad_hidden and, unless null, its cast grad_delta; adds \
   */                                                                                                        \
  /* the weight's gradient of these rows to grad_weight unless that is null. grad_hidden may be null too. */ \
  void add_norm_rows_backward(const float* sum, const float* inv_rms, const float* weight,                   \
                              const float* grad_sum, const N* grad_normed, float* grad_hidden,               \
                              D* grad_delta, float* grad_weight, Index width, Index begin, Index end);
ANEMLL_DECLARE(float, float)
ANEMLL_DECLARE(Bf16, Bf16)
ANEMLL_DECLARE(Bf16, float)
#undef ANEMLL_DECLARE

// Per-head RMSNorm (weight may be null: none) and rotation by halves. x [rows, heads, dim]; row r sits at
// position r % length; cosine and sine [length, dim / 2].
#define ANEMLL_DECLARE(T)                                                                                 \
  void norm_rope_rows(const T* x, const float* weight, float eps, const float* cosine, const float* sine, \
                      T* out, Index heads, Index dim, Index length, Index begin, Index end);              \
  /* grad_x may be null (only the weight trains); grad_weight may be null and is added to. */             \
  void norm_rope_rows_backward(const T* x, const float* weight, float eps, const float* cosine,           \
                               const float* sine, const T* grad_out, T* grad_x, float* grad_weight,       \
                               Index heads, Index dim, Index length, Index begin, Index end);             \
  /* out = silu(gate) * up over elements begin..end */                                                    \
  void swiglu_range(const T* gate, const T* up, T* out, Index begin, Index end);                          \
  void swiglu_range_backward(const T* gate, const T* up, const T* grad_out, T* grad_gate, T* grad_up,     \
                             Index begin, Index end);
ANEMLL_DECLARE(float)
ANEMLL_DECLARE(Bf16)
#undef ANEMLL_DECLARE

}  // namespace anemll::kernels
