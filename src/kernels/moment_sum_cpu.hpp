// Sums in fp64 of products in fp32: a row of a product, or a column of it where the product stands for its
// mirror image too. Knows nothing of tensors or threads (src/calib).
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

/// sum[i] += x[i * stride].
void add_to_double(const float* x, std::int64_t stride, double* sum, std::int64_t count);

}  // namespace anemll::kernels
