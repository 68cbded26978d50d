// Matrix products that stand beside parallel_for: LibTorch's own on quiet cores; on shared ones, in fp32,
// blocks of the result, each one single-threaded product. The library adds up an element in the same order in
// both (parallel.cpp asks it to), so the cut changes no bit (a test holds that). In bf16 nothing is known of
// that order: LibTorch's own stays.
#pragma once

#include <ATen/core/Tensor.h>

namespace anemll::kernels {

/// a b for [m, k] and [k, n] of one type, any strides and device. These three record nothing for autograd.
at::Tensor mm(const at::Tensor& a, const at::Tensor& b);

/// The same into `out` [m, n].
void mm_out(at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/// out += a b.
void addmm_(at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

/// x W^T + bias for x [..., k], W [n, k] and bias [n] or undefined, differentiable in x alone: keeps W, not
/// x.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace anemll::kernels
