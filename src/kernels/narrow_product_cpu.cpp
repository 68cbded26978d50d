// A weight becomes a float in a register and is used once, so the loop runs at the speed of memory.
#include "src/kernels/internal/narrow_product_cpu.hpp"

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

constexpr Index kStep = 64;     // products that do not wait for each other
constexpr Index kLine = 64;     // bytes that come from memory together
constexpr Index kAhead = 2048;  // weights

/// How a type is read: its load leaves out a power of two, half of which goes to x and half to the sum, so
/// that neither products nor inputs leave the range of float.
template <class T>
struct Reading;
template <>
struct Reading<Half> {
  static constexpr float kUp = 0x1p56F;
  static ANEMLL_INLINE float load(Half x) { return load_small(x); }
};
template <>
struct Reading<Bf16> {
  static constexpr float kUp = 1;
  static ANEMLL_INLINE float load(Bf16 x) { return kernels::load(x); }
};

/// sum_i x_i w_i. A row is read from its start to its end by itself, because processors fetch ahead of one
/// such stream best; and it is asked for kAhead before its turn, beyond the ends of rows and pages, where
/// they stop to. The order of the sum depends on the width alone.
template <class T>
ANEMLL_INLINE float dot(const T* values, Index width, const float* x) {
  using Read = Reading<T>;
  float sums[kStep] = {};
  Index i = 0;
  for (; i + kStep <= width; i += kStep) {
    for (Index line = 0; line < kStep; line += kLine / static_cast<Index>(sizeof(T)))
      __builtin_prefetch(values + i + kAhead + line);
#pragma omp simd
    for (Index k = 0; k < kStep; ++k) sums[k] += x[i + k] * Read::kUp * Read::load(values[i + k]);
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (Index k = 0; k < kStep; ++k) sum += sums[k];
  for (; i < width; ++i) sum += x[i] * Read::kUp * Read::load(values[i]);
  return sum;
}

template <class T>
ANEMLL_INLINE void rows(const NarrowRows<T>& p, Index begin, Index end) {
  for (Index row = begin; row < end; ++row) {
    const T* values = p.values + row * p.width;
    const float bias = p.bias != nullptr ? p.bias[row] : 0.0F;
    for (Index input = 0; input < p.inputs; ++input)
      p.y[input * p.outputs + row] =
          dot(values, p.width, p.x + input * p.width) * Reading<T>::kUp * p.scale + bias;
  }
}

}  // namespace

template <class T>
ANEMLL_SIMD void narrow_rows(const NarrowRows<T>& product, Index begin, Index end) {
  rows(product, begin, end);
}
template void narrow_rows(const NarrowRows<Half>&, Index, Index);
template void narrow_rows(const NarrowRows<Bf16>&, Index, Index);

template <class T>
ANEMLL_SIMD void widen_values(const T* values, float scale, float* out, Index count) {
  constexpr float kAll = Reading<T>::kUp * Reading<T>::kUp;
#pragma omp simd
  for (Index i = 0; i < count; ++i) out[i] = Reading<T>::load(values[i]) * kAll * scale;
}
template void widen_values(const Half*, float, float*, Index);
template void widen_values(const Bf16*, float, float*, Index);

}  // namespace anemll::kernels
