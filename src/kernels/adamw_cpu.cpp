// Element-wise, so the loops vectorise as they stand; the sum keeps kLanes partial sums.
#include "src/kernels/adamw_cpu.hpp"

#include "src/kernels/simd.hpp"

#include <cmath>
#include <cstdint>

namespace anemll::kernels {

ANEMLL_SIMD void adamw_range(float* param, const float* grad, float* m, float* v, const AdamWStep& step,
                             std::int64_t begin, std::int64_t end) {
  const AdamWStep s = step;  // a copy: stores through the pointers cannot change it
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const float g = grad[i] * s.grad_scale;
    const float first = m[i] + (g - m[i]) * s.one_minus_beta1;
    const float second = v[i] * s.beta2 + g * g * s.one_minus_beta2;
    m[i] = first;
    v[i] = second;
    param[i] = param[i] * s.decay - s.step_size * (first / (std::sqrt(second) / s.correction2 + s.eps));
  }
}

ANEMLL_SIMD double sum_of_squares(const float* grad, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kLanes = 16;
  double lanes[kLanes] = {};
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (std::int64_t l = 0; l < kLanes; ++l) {
      const double g = double{grad[i + l]};
      lanes[l] += g * g;
    }
  }
  for (std::int64_t l = 0; i < end; ++i, ++l) lanes[l] += double{grad[i]} * double{grad[i]};
  double result = 0;
  for (const double lane : lanes) result += lane;
  return result;
}

}  // namespace anemll::kernels
