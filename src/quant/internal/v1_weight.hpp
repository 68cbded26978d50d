// The arithmetic of the V1 layer on tensors: D = lut[idx] * S with S = max(A B, 1e-8) or max(full, 1e-8), and
// idx the grid position of W / S. On the CPU by blocks of rows, split over LibTorch's threads: beside the
// result nothing has the size of the weight. On any other device LibTorch operators.
#pragma once

#include <ATen/core/Tensor.h>

namespace anemll {

/// Either the two factors or all scales, float, on the weight's device.
struct V1Scales {
  at::Tensor a, b;  ///< [out, r] and [r, in]
  at::Tensor full;  ///< [out, in], rows may be further apart
};

struct V1Table {
  at::Tensor lut;      ///< float, ascending
  bool split = false;  ///< an even number of entries with a zero among them: see kernels::IndexGrid
};

/// uint8 [out, in]. `weight` float, contiguous.
at::Tensor v1_indices(const at::Tensor& weight, const V1Scales& scales, const V1Table& table);

/// D in `dtype`, float or bfloat16.
at::Tensor v1_weight(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                     at::ScalarType dtype);

/// values * S, float: the weight of a layer that holds table values already.
at::Tensor v1_scaled(const at::Tensor& values, const V1Scales& scales);

/// Gradients of the scales, of the same shapes; undefined where not wanted.
struct V1ScaleGradients {
  at::Tensor a, b, full;
};
/// Adds dS = dw * lut[idx], zero where S was raised to 1e-8, with dA = dS B^T and dB = A^T dS. `dw` [out, in]
/// float or bfloat16. The result does not depend on the number of threads.
void v1_scale_backward(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                       const at::Tensor& dw, const V1ScaleGradients& into);

/// The forms of other devices than the CPU. They run on all of them.
namespace by_operators {
at::Tensor v1_indices(const at::Tensor& weight, const V1Scales& scales, const V1Table& table);
at::Tensor v1_weight(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                     at::ScalarType dtype);
void v1_scale_backward(const at::Tensor& weight, const V1Scales& scales, const V1Table& table,
                       const at::Tensor& dw, const V1ScaleGradients& into);
}  // namespace by_operators

}  // namespace anemll
