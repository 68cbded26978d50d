// Sums keep kLanes partial results each: that makes them vectorisable as written, with one order on every
// machine.
#include "src/kernels/head_loss_cpu.hpp"

#include "src/kernels/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

namespace anemll::kernels {
namespace {

constexpr std::size_t kLanes = 32;
/// Partial sums leave fp32 for double after this many elements.
constexpr std::size_t kSumBlock = 4096;

template <class T>
ANEMLL_INLINE float max_of(const T* row, std::size_t size) {
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float value = load(row[i + l]);
      lanes[l] = value > lanes[l] ? value : lanes[l];
    }
  }
  for (std::size_t l = 0; i < size; ++i, ++l) {
    const float value = load(row[i]);
    lanes[l] = value > lanes[l] ? value : lanes[l];
  }
  float result = lanes[0];
  for (std::size_t l = 1; l < kLanes; ++l) result = lanes[l] > result ? lanes[l] : result;
  return result;
}

/// exp(scale x), or exp(x) without a multiplication.
template <bool kScaled>
ANEMLL_INLINE float exp_of(float x, float scale) {
  if constexpr (kScaled) {
    return exp_fast(scale * x);
  } else {
    return exp_fast(x);
  }
}

template <bool kScaled, class T>
ANEMLL_INLINE double sum_exp(const T* row, std::size_t size, float max, float scale) {
  double result = 0;
  for (std::size_t begin = 0; begin < size; begin += kSumBlock) {
    const std::size_t end = std::min(size, begin + kSumBlock);
    float lanes[kLanes] = {};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += exp_of<kScaled>(load(row[i + l]) - max, scale);
    }
    for (std::size_t l = 0; i < end; ++i, ++l) lanes[l] += exp_of<kScaled>(load(row[i]) - max, scale);
    for (const float lane : lanes) result += double{lane};
  }
  return result;
}

template <class T>
ANEMLL_INLINE void mixed_exp(T* row, std::size_t size, float max, float scale, float soft, float plain) {
  if (plain == 0) {
    for (std::size_t i = 0; i < size; ++i) store(row[i], soft * exp_fast(scale * (load(row[i]) - max)));
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const float x = load(row[i]) - max;
    store(row[i], soft * exp_fast(scale * x) + plain * exp_fast(x));
  }
}

template <class T>
ANEMLL_INLINE void scaled_exp(T* row, std::size_t size, float max, float factor) {
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) store(row[i + l], factor * exp_fast(load(row[i + l]) - max));
  }
  for (; i < size; ++i) store(row[i], factor * exp_fast(load(row[i]) - max));
}

template <class T>
ANEMLL_INLINE float dot_product(const float* a, const T* b, std::size_t size) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * load(b[i + l]);
  }
  for (std::size_t l = 0; i < size; ++i, ++l) lanes[l] += a[i] * load(b[i]);
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

template <class T>
ANEMLL_INLINE void axpy(float* y, float factor, const T* x, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) y[i] += factor * load(x[i]);
}

}  // namespace

ANEMLL_SIMD SoftmaxStats softmax_stats(std::span<const float> row) {
  const float max = max_of(row.data(), row.size());
  return {max, sum_exp<false>(row.data(), row.size(), max, 1.0F)};
}
ANEMLL_SIMD SoftmaxStats softmax_stats(std::span<const Bf16> row) {
  const float max = max_of(row.data(), row.size());
  return {max, sum_exp<false>(row.data(), row.size(), max, 1.0F)};
}

ANEMLL_SIMD float row_max(std::span<const float> row) {
  return max_of(row.data(), row.size());
}
ANEMLL_SIMD float row_max(std::span<const Bf16> row) {
  return max_of(row.data(), row.size());
}

ANEMLL_SIMD double exp_sum(std::span<const float> row, float max, float scale) {
  return sum_exp<true>(row.data(), row.size(), max, scale);
}
ANEMLL_SIMD double exp_sum(std::span<const Bf16> row, float max, float scale) {
  return sum_exp<true>(row.data(), row.size(), max, scale);
}

ANEMLL_SIMD void mixed_exp_in_place(std::span<float> row, float max, float scale, float soft, float plain) {
  mixed_exp(row.data(), row.size(), max, scale, soft, plain);
}
ANEMLL_SIMD void mixed_exp_in_place(std::span<Bf16> row, float max, float scale, float soft, float plain) {
  mixed_exp(row.data(), row.size(), max, scale, soft, plain);
}

ANEMLL_SIMD void scaled_exp_in_place(std::span<float> row, float max, float factor) {
  scaled_exp(row.data(), row.size(), max, factor);
}
ANEMLL_SIMD void scaled_exp_in_place(std::span<Bf16> row, float max, float factor) {
  scaled_exp(row.data(), row.size(), max, factor);
}

ANEMLL_SIMD float dot(std::span<const float> a, std::span<const float> b) {
  return dot_product(a.data(), b.data(), a.size());
}
ANEMLL_SIMD float dot(std::span<const float> a, std::span<const Bf16> b) {
  return dot_product(a.data(), b.data(), a.size());
}

ANEMLL_SIMD void add_scaled(std::span<float> y, float factor, std::span<const float> x) {
  axpy(y.data(), factor, x.data(), y.size());
}
ANEMLL_SIMD void add_scaled(std::span<float> y, float factor, std::span<const Bf16> x) {
  axpy(y.data(), factor, x.data(), y.size());
}

}  // namespace anemll::kernels
