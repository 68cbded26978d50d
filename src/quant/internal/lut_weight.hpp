// Look-up products on tensors: lut[indices] alone or times a low-rank scale, in the dtype the consumer wants.
// On the CPU the vectorised kernels, split over LibTorch's threads; on any other device LibTorch operators.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// lut[indices] in `dtype` (float or bfloat16). indices uint8, lut float.
at::Tensor lut_values(const at::Tensor& indices, const at::Tensor& lut, at::ScalarType dtype);

/// lut[indices] * (a b) in `dtype` with a [out, r], b [r, in] float: the weight. The scale matrix exists only
/// in blocks of rows.
at::Tensor lut_scaled(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                      const at::Tensor& b, at::ScalarType dtype);

struct FactorGradients {
  at::Tensor a, b;  ///< float; undefined where not asked for
};
/// Gradients of a and b of lut_scaled out of that of the weight, dw [out, in] float or bfloat16: with
/// dS = dw * lut[indices], dS b^T and a^T dS. The result does not depend on the number of threads.
FactorGradients lut_scaled_backward(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                                    const at::Tensor& b, const at::Tensor& dw, bool need_a, bool need_b);

/// The forms of other devices than the CPU. They run on all of them.
namespace by_operators {
at::Tensor lut_values(const at::Tensor& indices, const at::Tensor& lut, at::ScalarType dtype);
at::Tensor lut_scaled(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                      const at::Tensor& b, at::ScalarType dtype);
FactorGradients lut_scaled_backward(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                                    const at::Tensor& b, const at::Tensor& dw, bool need_a, bool need_b);
}  // namespace by_operators

}  // namespace anemll
