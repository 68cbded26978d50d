// Products with weights of 16 bits, computed in fp32, on the CPU. A token at a time is bound by the reading
// of weights: halving their bytes doubles its speed.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

/// A weight in the form that is read: values * scale.
struct NarrowWeight {
  at::Tensor values;  ///< [n, k] fp16 or bf16, contiguous, on the CPU
  float scale = 1;    ///< a power of two

  std::int64_t bytes() const { return static_cast<std::int64_t>(values.nbytes()); }
  /// fp32 [n, k].
  at::Tensor widened() const;
};

/// fp16 and bf16 weights [n, k] as they are, a view of them. fp32 ones become halves times the power of two
/// that brings the largest near the top of half: relative error 2^-12, and what is below 2^-29 of the largest
/// becomes zero. Numerics error for fp32 values that are not finite.
NarrowWeight narrow_weight(const at::Tensor& weight);

/// x W^T + bias for x [..., L, k] fp32, W [n, k] and bias [n] fp32 or undefined; no gradients. Few tokens a
/// row (L) read W as it is, and then the result of a row does not depend on the others. Many widen it by
/// blocks.
at::Tensor narrow_linear(const at::Tensor& x, const NarrowWeight& weight, const at::Tensor& bias);

/// Whether a product with x takes the form for few tokens: one rule for weights of 16 bits and packed ones.
bool has_few_tokens(const at::Tensor& x);

}  // namespace anemll::kernels
