// Rows of x W^T for weights of 16 bits, on raw pointers. Knows nothing of tensors or threads; see
// narrow_product.cpp.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

/// The weight is `values` times `scale`, a power of two.
template <class T>
struct NarrowRows {
  const T* values;  ///< [outputs, width], finite
  float scale;
  std::int64_t width;
  const float* x;  ///< [inputs, width]
  std::int64_t inputs;
  const float* bias;  ///< [outputs] or null
  float* y;           ///< [inputs, outputs]
  std::int64_t outputs;
};

/// y of all inputs and of the outputs [begin, end). An element does not depend on the other inputs. Half,
/// Bf16
template <class T>
void narrow_rows(const NarrowRows<T>& product, std::int64_t begin, std::int64_t end);

/// out = values * scale. Half, Bf16
template <class T>
void widen_values(const T* values, float scale, float* out, std::int64_t count);

}  // namespace anemll::kernels
