// What the row kernels share: the function attribute that makes GCC emit one clone per instruction set and
// choose at load time, storage types of 16 bits with conversions that vectorise, an exp that does, and a
// look-up of eight lanes in a table of eight.
// No torch here; the *_cpu.cpp files that include it are plain loops over raw pointers.
#pragma once

#include <bit>
#include <cstdint>

// A kernel that names the width of its vectors needs them no wider than the registers: GCC takes wider ones
// through memory, many times slower. It is written once for any width, and has two entries, WIDE with
// Floats16 and NARROW with Floats8; wide_vectors() chooses. The sanitizers' run time is not up yet when the
// loader picks a clone, so their builds keep the default one.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ANEMLL_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define ANEMLL_SIMD_WIDE __attribute__((target("arch=x86-64-v4")))
#define ANEMLL_SIMD_NARROW __attribute__((target_clones("arch=x86-64-v3", "default")))
#define ANEMLL_WIDE_VECTORS __builtin_cpu_supports("x86-64-v4") != 0
#else
#define ANEMLL_SIMD
#define ANEMLL_SIMD_WIDE
#define ANEMLL_SIMD_NARROW
#define ANEMLL_WIDE_VECTORS false
#endif

#if defined(__GNUC__)
#define ANEMLL_INLINE inline __attribute__((always_inline))
#else
#define ANEMLL_INLINE inline
#endif

namespace anemll::kernels {

/// Storage only; arithmetic is fp32. Same bytes as c10::BFloat16.
struct Bf16 {
  std::uint16_t bits;
};

/// Storage only. Same bytes as c10::Half.
struct Half {
  std::uint16_t bits;
};

ANEMLL_INLINE float load(float x) {
  return x;
}
ANEMLL_INLINE float load(Bf16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

/// A finite half times 2^-112: the bits are in their places then, and nothing has to be computed.
ANEMLL_INLINE float load_small(Half x) {
  const auto wide = static_cast<std::int32_t>(static_cast<std::int16_t>(x.bits));  // the sign goes to the top
  return std::bit_cast<float>((static_cast<std::uint32_t>(wide) << 13) & 0x8fffe000U);
}
/// Finite halves alone.
ANEMLL_INLINE float load(Half x) {
  return load_small(x) * 0x1p112F;
}

ANEMLL_INLINE void store(float& to, float x) {
  to = x;
}
/// Round to nearest even; NaN stays a (quiet) NaN.
ANEMLL_INLINE void store(Bf16& to, float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
  to.bits = static_cast<std::uint16_t>(nan ? 0x7fc0U : rounded);
}

/// e^x within 2 ulp. Below -87 it returns e^-87 (1e-38), above 88 e^88: sigmoid and softmax cannot tell.
ANEMLL_INLINE float exp_fast(float x) {
  constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  x = x < -87.0F ? -87.0F : x;           // NaN passes through both comparisons
  x = x > 88.0F ? 88.0F : x;
  const float shifted = x * 1.44269504F + kMagic;
  const float n = shifted - kMagic;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  return p * std::bit_cast<float>(exponent + 0x3f800000U);
}

ANEMLL_INLINE float sigmoid(float x) {
  return 1.0F / (1.0F + exp_fast(-x));
}

/// Eight lanes at once. Handed on by reference: their way through a call differs between instruction sets.
constexpr int kLanes8 = 8;
using Floats8 __attribute__((vector_size(32))) = float;
using Words8 __attribute__((vector_size(32))) = std::uint32_t;

/// For WIDE entries alone.
using Floats16 __attribute__((vector_size(64))) = float;

/// Whether WIDE entries may be called here.
inline bool wide_vectors() {
  return ANEMLL_WIDE_VECTORS;
}

/// out = table[index % 8] in each lane.
ANEMLL_INLINE void look_up(const Floats8& table, const Words8& index, Floats8& out) {
#if defined(__GNUC__) && !defined(__clang__)
  out = __builtin_shuffle(table, index);
#else
  for (int i = 0; i < kLanes8; ++i) out[i] = table[index[i] % kLanes8];
#endif
}

}  // namespace anemll::kernels
