// The AdamW update and the sum of squares over ranges of flat fp32 buffers. No threads, no allocation.
#pragma once

#include <cstdint>

namespace anemll::kernels {

/// One update's scalars; the caller derives them in double from the options and the step number.
struct AdamWStep {
  float decay = 1;  ///< 1 - lr * weight_decay
  float one_minus_beta1 = 0.1F;
  float beta2 = 0.999F;
  float one_minus_beta2 = 0.001F;
  float step_size = 0;    ///< lr / (1 - beta1^t)
  float correction2 = 1;  ///< sqrt(1 - beta2^t)
  float eps = 1e-8F;
  float grad_scale = 1;  ///< multiplies the gradient first (clipping)
};

/// Elements [begin, end): decay, moments, then param -= step_size * m / (sqrt(v) / correction2 + eps).
void adamw_range(float* param, const float* grad, float* m, float* v, const AdamWStep& step,
                 std::int64_t begin, std::int64_t end);

/// sum grad[i]^2 over [begin, end) in double, in a lane order that depends on the range alone.
double sum_of_squares(const float* grad, std::int64_t begin, std::int64_t end);

}  // namespace anemll::kernels
