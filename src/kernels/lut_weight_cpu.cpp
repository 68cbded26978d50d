// Look-up by a tree of selects on the index bits: it vectorises on every instruction set, where an indexed
// load becomes a slow gather. Tables that are not of 2, 4, 8 or 16 entries take the plain load.
#include "src/kernels/lut_weight_cpu.hpp"

#include <cmath>

namespace anemll::kernels {
namespace {

template <std::uint32_t N>
ANEMLL_INLINE float pick(const float* lut, std::uint32_t index) {
  if constexpr (N == 1) {
    return lut[0];
  } else {
    const float low = pick<N / 2>(lut, index);
    const float high = pick<N / 2>(lut + N / 2, index);
    return (index & (N / 2)) != 0 ? high : low;
  }
}

template <std::uint32_t N, class Out>
ANEMLL_INLINE void gather_fixed(const std::uint8_t* index, const float* lut, Out* out, std::int64_t count) {
  float table[N];
  for (std::uint32_t i = 0; i < N; ++i) table[i] = lut[i];
  for (std::int64_t i = 0; i < count; ++i) store(out[i], pick<N>(table, index[i]));
}

template <std::uint32_t N, class In, class Out>
ANEMLL_INLINE void multiply_fixed(const std::uint8_t* index, const float* lut, const In* factor, Out* out,
                                  std::int64_t count) {
  float table[N];
  for (std::uint32_t i = 0; i < N; ++i) table[i] = lut[i];
  for (std::int64_t i = 0; i < count; ++i) store(out[i], pick<N>(table, index[i]) * load(factor[i]));
}

template <class Out>
ANEMLL_INLINE void gather(const std::uint8_t* index, LutView lut, Out* out, std::int64_t count) {
  switch (lut.size) {
    case 2:
      return gather_fixed<2>(index, lut.values, out, count);
    case 4:
      return gather_fixed<4>(index, lut.values, out, count);
    case 8:
      return gather_fixed<8>(index, lut.values, out, count);
    case 16:
      return gather_fixed<16>(index, lut.values, out, count);
    default:
      for (std::int64_t i = 0; i < count; ++i) store(out[i], lut.values[index[i]]);
  }
}

template <class In, class Out>
ANEMLL_INLINE void multiply(const std::uint8_t* index, LutView lut, const In* factor, Out* out,
                            std::int64_t count) {
  switch (lut.size) {
    case 2:
      return multiply_fixed<2>(index, lut.values, factor, out, count);
    case 4:
      return multiply_fixed<4>(index, lut.values, factor, out, count);
    case 8:
      return multiply_fixed<8>(index, lut.values, factor, out, count);
    case 16:
      return multiply_fixed<16>(index, lut.values, factor, out, count);
    default:
      for (std::int64_t i = 0; i < count; ++i) store(out[i], lut.values[index[i]] * load(factor[i]));
  }
}

/// Entry j is nearer than j - 1 exactly when |z - lut[j]| < |z - lut[j - 1]|, both in float: counting how
/// often that holds gives the index, because the table ascends.
ANEMLL_INLINE NearestCounts nearest(const float* weight, const float* scale, const float* lut,
                                    std::int64_t size, float epsilon, std::uint8_t* index,
                                    std::int64_t count) {
  std::int32_t nan_count = 0;
  std::int32_t tiny_count = 0;
  const float lowest = lut[0];
  const float highest = lut[size - 1];
  for (std::int64_t i = 0; i < count; ++i) {
    const float raw = scale[i];
    const bool tiny = std::fabs(raw) < epsilon;
    const float divisor = tiny ? std::copysign(epsilon, raw) : raw;
    const float quotient = weight[i] / divisor;
    float z = quotient < lowest ? lowest : quotient;
    z = z > highest ? highest : z;
    std::uint32_t found = 0;
    for (std::int64_t j = 1; j < size; ++j)
      found += std::fabs(z - lut[j]) < std::fabs(z - lut[j - 1]) ? 1U : 0U;  // never true for NaN
    index[i] = static_cast<std::uint8_t>(found);
    tiny_count += tiny ? 1 : 0;
    nan_count += quotient != quotient ? 1 : 0;
  }
  return {nan_count, tiny_count};
}

}  // namespace

ANEMLL_SIMD void lut_gather(const std::uint8_t* index, LutView lut, float* out, std::int64_t count) {
  gather(index, lut, out, count);
}
ANEMLL_SIMD void lut_gather(const std::uint8_t* index, LutView lut, Bf16* out, std::int64_t count) {
  gather(index, lut, out, count);
}
ANEMLL_SIMD void lut_multiply(const std::uint8_t* index, LutView lut, const float* scale, float* out,
                              std::int64_t count) {
  multiply(index, lut, scale, out, count);
}
ANEMLL_SIMD void lut_multiply(const std::uint8_t* index, LutView lut, const float* scale, Bf16* out,
                              std::int64_t count) {
  multiply(index, lut, scale, out, count);
}
ANEMLL_SIMD void lut_multiply(const std::uint8_t* index, LutView lut, const Bf16* factor, Bf16* out,
                              std::int64_t count) {
  multiply(index, lut, factor, out, count);
}

ANEMLL_SIMD NearestCounts lut_nearest(const float* weight, const float* scale, LutView lut,
                                      float scale_epsilon, std::uint8_t* index, std::int64_t count) {
  constexpr std::int64_t kChunk = 1 << 20;  // keeps the vectorised counters in 32 bits
  NearestCounts total;
  for (std::int64_t begin = 0; begin < count; begin += kChunk) {
    const std::int64_t n = count - begin < kChunk ? count - begin : kChunk;
    NearestCounts part;
    // Constant sizes unroll the search, which is what lets the element loop vectorise.
    if (lut.size == 4)
      part = nearest(weight + begin, scale + begin, lut.values, 4, scale_epsilon, index + begin, n);
    else if (lut.size == 16)
      part = nearest(weight + begin, scale + begin, lut.values, 16, scale_epsilon, index + begin, n);
    else
      part = nearest(weight + begin, scale + begin, lut.values, lut.size, scale_epsilon, index + begin, n);
    total.nan += part.nan;
    total.tiny_scale += part.tiny_scale;
  }
  return total;
}

}  // namespace anemll::kernels
