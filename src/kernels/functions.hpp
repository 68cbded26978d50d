// The decoder's non-GEMM operations, each differentiable and each chosen by the device of its tensors: fused
// fp32-arithmetic kernels on the CPU, plain ATen operators elsewhere. Tensors may be fp32 or bf16 as stated;
// "compute" is the dtype of GEMM operands, the residual stream is fp32.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

struct Normed {
  at::Tensor sum;     ///< fp32, the residual stream after the add
  at::Tensor normed;  ///< `dtype`, rms_norm(sum) * weight
};

/// hidden [..., n] fp32; delta the same shape in the compute dtype, or undefined (then sum is hidden itself);
/// weight [n] fp32, gets a gradient when it requires one. Normalised and scaled in fp32, rounded once.
Normed add_rms_norm(const at::Tensor& hidden, const at::Tensor& delta, const at::Tensor& weight, double eps,
                    at::ScalarType dtype);

/// x [B, L, heads, dim] compute; weight [dim] fp32 or undefined (no norm); cosine, sine [>= L, dim / 2] fp32.
/// RMSNorm over dim, then rotation of the two halves by the angle of the position.
at::Tensor head_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, const at::Tensor& cosine,
                          const at::Tensor& sine);

/// silu(gate) * up, same shape and dtype.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

/// gelu(gate) * up with the tanh form of GELU, same shape and dtype. Composed of operators on every device.
at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up);

/// q [B, L, heads, dim], k and v [B, K, kv_heads, dim] compute -> [B, L, heads, dim]; the L queries are the
/// last of the K positions. Softmax in fp32, scale dim^-1/2. allowed [B or 1, 1, L, K] bool (true = attend)
/// or undefined for plain causal attention.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& allowed);

/// What the last `queries` of `keys` positions may see: [B or 1, 1, queries, keys] bool. `padding` [B, keys]
/// (nonzero = attend) or undefined; `window`: positions that one sees, itself included, or 0 for all up to
/// its own. A row that would see nothing (left padding) sees itself, so that no NaN arises. Undefined where
/// plain causal attention is meant.
at::Tensor attention_mask(const at::Tensor& padding, std::int64_t queries, std::int64_t keys,
                          std::int64_t window, at::Device device);

}  // namespace anemll::kernels
