// The same operations as functions.hpp as compositions of ATen operators: what runs on devices without own
// kernels, and what the CPU kernels are tested against. Autograd differentiates them.
#pragma once

#include "src/kernels/functions.hpp"

#include <ATen/core/Tensor.h>

namespace anemll::kernels::generic {

Normed add_rms_norm(const at::Tensor& hidden, const at::Tensor& delta, const at::Tensor& weight, double eps,
                    at::ScalarType dtype);
at::Tensor head_norm_rope(const at::Tensor& x, const at::Tensor& weight, double eps, const at::Tensor& cosine,
                          const at::Tensor& sine);
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);
at::Tensor geglu(const at::Tensor& gate, const at::Tensor& up);
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& allowed);

}  // namespace anemll::kernels::generic
