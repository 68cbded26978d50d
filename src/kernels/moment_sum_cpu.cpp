#include "src/kernels/moment_sum_cpu.hpp"

namespace anemll::kernels {

ANEMLL_SIMD void add_to_double(const float* x, std::int64_t stride, double* sum, std::int64_t count) {
  if (stride == 1) {
    for (std::int64_t i = 0; i < count; ++i) sum[i] += static_cast<double>(x[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) sum[i] += static_cast<double>(x[i * stride]);
  }
}

}  // namespace anemll::kernels
