// The raw CPU kernels: each works on a range of rows and knows nothing of tensors or threads. Callers split
// the rows (functions.cpp). Types: float or Bf16 for operands of GEMMs, float for the residual stream; each
// kernel exists for the types named with it.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

using Index = std::int64_t;

constexpr Index kMaxHeadDim = 1024;  // norm_rope_rows_backward keeps one head on the stack

/// RMSNorm with the residual add in front: sum = hidden + delta, normed = sum * inv_rms * weight. Rows are of
/// `width`. `delta` and `sum` are null together: then hidden itself is normalised.
template <class D, class N>
struct NormRows {
  const float* hidden;
  const D* delta;
  const float* weight;  ///< [width]
  float eps;
  float* sum;
  N* normed;
  float* inv_rms;  ///< [rows]
  Index width;
};

/// Its backward, out of what forward left. Writes grad_hidden and its cast grad_delta.
template <class D, class N>
struct NormGradRows {
  const float* sum;
  const float* inv_rms;
  const float* weight;
  const float* grad_sum;  ///< null: nothing flows in
  const N* grad_normed;
  float* grad_hidden;  ///< null: only the weight trains
  D* grad_delta;       ///< null: not wanted
  Index width;
};

/// <float, float>, <Bf16, Bf16>, <Bf16, float>
template <class D, class N>
void add_norm_rows(const NormRows<D, N>& rows, Index begin, Index end);

/// Adds the weight's gradient of these rows to grad_weight [width] unless that is null. The same types.
template <class D, class N>
void add_norm_rows_backward(const NormGradRows<D, N>& rows, float* grad_weight, Index begin, Index end);

/// Heads of a projection and the tables of their rotation: x [rows, heads, dim]; row r sits at position
/// r % length; cosine and sine [length, dim / 2].
struct RopeShape {
  Index heads, dim, length;
  float eps;
  const float* weight;  ///< [dim] of the norm in front, null: none
  const float* cosine;
  const float* sine;
};

/// Per-head RMSNorm and rotation by halves. float, Bf16
template <class T>
void norm_rope_rows(const RopeShape& shape, const T* x, T* out, Index begin, Index end);

/// grad_x may be null (only the weight trains); grad_weight [dim] may be null and is added to. x is not read
/// without a norm. float, Bf16
template <class T>
void norm_rope_rows_backward(const RopeShape& shape, const T* x, const T* grad_out, T* grad_x,
                             float* grad_weight, Index begin, Index end);

/// out = silu(gate) * up over elements begin..end. float, Bf16
template <class T>
void swiglu_range(const T* gate, const T* up, T* out, Index begin, Index end);

template <class T>
void swiglu_range_backward(const T* gate, const T* up, const T* grad_out, T* grad_gate, T* grad_up,
                           Index begin, Index end);

}  // namespace anemll::kernels
