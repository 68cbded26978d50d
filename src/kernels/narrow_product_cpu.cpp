// A weight becomes a float in a register and is used once, so the loop runs at the speed of memory. Four rows
// of W go together: they share the loads of x, and their sums do not wait for each other.
#include "src/kernels/internal/narrow_product_cpu.hpp"

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

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

template <class T>
ANEMLL_INLINE void dot_tile(const T* values, Index width, const float* x, float* sums) {
  using Read = Reading<T>;
  const T* first = values;
  const T* second = first + width;
  const T* third = second + width;
  const T* fourth = third + width;
  float a = 0;
  float b = 0;
  float c = 0;
  float d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (Index i = 0; i < width; ++i) {
    const float v = x[i] * Read::kUp;
    a += v * Read::load(first[i]);
    b += v * Read::load(second[i]);
    c += v * Read::load(third[i]);
    d += v * Read::load(fourth[i]);
  }
  sums[0] = a;
  sums[1] = b;
  sums[2] = c;
  sums[3] = d;
}

template <class T>
ANEMLL_INLINE float dot(const T* values, Index width, const float* x) {
  using Read = Reading<T>;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (Index i = 0; i < width; ++i) sum += x[i] * Read::kUp * Read::load(values[i]);
  return sum;
}

template <class T>
ANEMLL_INLINE void rows(const NarrowRows<T>& p, Index begin, Index end) {
  for (Index row = begin; row < end; row += kNarrowTile) {
    const Index count = end - row < kNarrowTile ? end - row : kNarrowTile;
    const T* values = p.values + row * p.width;
    for (Index input = 0; input < p.inputs; ++input) {
      const float* x = p.x + input * p.width;
      float* y = p.y + input * p.outputs + row;
      float sums[kNarrowTile];
      if (count == kNarrowTile) {
        dot_tile(values, p.width, x, sums);
      } else {
        for (Index i = 0; i < count; ++i) sums[i] = dot(values + i * p.width, p.width, x);
      }
      for (Index i = 0; i < count; ++i)
        y[i] = sums[i] * Reading<T>::kUp * p.scale + (p.bias != nullptr ? p.bias[row + i] : 0.0F);
    }
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
