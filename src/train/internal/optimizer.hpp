// AdamW over flat fp32 buffers (all trainable parameters in one tensor; frozen ones are not in it), the
// gradient's norm and the clipping factor. Results do not depend on the number of threads.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;  ///< decoupled (Loshchilov and Hutter, arXiv:1711.05101)
};

/// The state is plain data: to resume, assign m, v and step.
struct AdamW {
  AdamWOptions options;
  at::Tensor m;           ///< [P] fp32, first moment
  at::Tensor v;           ///< [P] fp32, second moment
  std::int64_t step = 0;  ///< updates applied

  AdamW() = default;
  /// Zero moments of param's shape, on its device.
  explicit AdamW(const at::Tensor& param, const AdamWOptions& adamw_options = {});

  /// One update, in this order: param *= 1 - lr * weight_decay; moments of grad * grad_scale;
  /// param -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps). All tensors contiguous fp32.
  void update(const at::Tensor& param, const at::Tensor& grad, double lr, double grad_scale = 1.0);

  /// The same by tensor operations, for devices other than the CPU. update picks it; public for comparison.
  void update_generic(const at::Tensor& param, const at::Tensor& grad, double lr, double grad_scale = 1.0);
};

/// L2 norm with double accumulation in fixed blocks. Not finite exactly when an element is not.
double gradient_norm(const at::Tensor& grad);

/// min(1, max_norm / (norm + 1e-6)); 1 when max_norm is 0 (clipping off). Ask std::isfinite(norm) before: a
/// gradient that is not finite cannot be clipped, and NaN comes back as NaN.
double clip_factor(double norm, double max_norm);

}  // namespace anemll
