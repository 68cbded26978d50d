// The values of GGUF's block types. Written from the format: a block is a row's run of 32 or 256 weights with
// half-precision scales in front or at the end. Products of a scale and a code are exact in float, so the
// only rounding is that of the one addition, and no contraction can change a bit.
#include "anemll/core/half.hpp"
#include "anemll/formats/gguf.hpp"

#include <array>
#include <cassert>
#include <cstdint>
#include <cstring>

namespace anemll {
namespace {

using Byte = std::uint8_t;

float half_at(const Byte* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return half_to_float(bits);
}

constexpr int kSmall = 32;          // weights of a plain block
constexpr int kSuper = 256;         // weights of a K block
constexpr int kSubScaleBytes = 12;  // 6-bit scales, packed

/// 4-bit codes: the low nibbles are the block's first half. `high` adds bit 4 from a 32-bit mask.
template <bool kHighBit>
void nibbles(const Byte* codes, std::uint32_t high, float scale, float offset, int centre, float* out) {
  constexpr int kHalf = kSmall / 2;
  for (int j = 0; j < kHalf; ++j) {
    int low = codes[j] & 15, upper = codes[j] >> 4;
    if constexpr (kHighBit) {
      low |= static_cast<int>((high >> j) & 1U) << 4;
      upper |= static_cast<int>((high >> (j + kHalf)) & 1U) << 4;
    }
    out[j] = scale * static_cast<float>(low - centre) + offset;
    out[j + kHalf] = scale * static_cast<float>(upper - centre) + offset;
  }
}

std::uint32_t mask_at(const Byte* at) {
  std::uint32_t mask;
  std::memcpy(&mask, at, sizeof(mask));
  return mask;
}

// Without an offset, -0 is added: it leaves the sign of a zero alone.
constexpr float kNoOffset = -0.0F;

void q4_0(const Byte* b, float* out) {
  nibbles<false>(b + 2, 0, half_at(b), kNoOffset, 8, out);
}
void q4_1(const Byte* b, float* out) {
  nibbles<false>(b + 4, 0, half_at(b), half_at(b + 2), 0, out);
}
void q5_0(const Byte* b, float* out) {
  nibbles<true>(b + 6, mask_at(b + 2), half_at(b), kNoOffset, 16, out);
}
void q5_1(const Byte* b, float* out) {
  nibbles<true>(b + 8, mask_at(b + 4), half_at(b), half_at(b + 2), 0, out);
}

void q8_0(const Byte* b, float* out) {
  const float scale = half_at(b);
  for (int j = 0; j < kSmall; ++j) out[j] = scale * static_cast<float>(static_cast<std::int8_t>(b[2 + j]));
}

/// 16 scale bytes (low nibble scale, high nibble minimum, one a 16 weights), 64 bytes of 2-bit codes, d,
/// dmin. Each half of 128 weights owns 32 code bytes; their four bit pairs are four runs of 32 weights.
void q2_k(const Byte* b, float* out) {
  const Byte* scales = b;
  const Byte* codes = b + 16;
  const float d = half_at(b + 80), dmin = half_at(b + 82);
  for (int run = 0; run < kSuper / 16; ++run) {
    const float scale = d * static_cast<float>(scales[run] & 15);
    const float minimum = dmin * static_cast<float>(scales[run] >> 4);
    const int half = run / 8, shift = 2 * ((run % 8) / 2);
    const Byte* from = codes + 32 * half + 16 * (run % 2);
    for (int j = 0; j < 16; ++j) {
      out[16 * run + j] = scale * static_cast<float>((from[j] >> shift) & 3) - minimum;
    }
  }
}

/// 32 bytes of third bits, 64 bytes of 2-bit codes as in Q2_K, 16 6-bit scales in 12 bytes, d. A third bit
/// that is not set subtracts 4.
void q3_k(const Byte* b, float* out) {
  const Byte* high = b;
  const Byte* codes = b + 32;
  const Byte* packed = b + 96;
  const float d = half_at(b + 108);
  for (int run = 0; run < kSuper / 16; ++run) {
    const int low4 = run < 8 ? packed[run] & 15 : packed[run - 8] >> 4;
    const int high2 = (packed[8 + run % 4] >> (2 * (run / 4))) & 3;
    const float scale = d * static_cast<float>((low4 | (high2 << 4)) - 32);
    const int half = run / 8, pair = (run % 8) / 2, column = 16 * (run % 2);
    const int bit = 4 * half + pair;
    for (int j = 0; j < 16; ++j) {
      const int code = (codes[32 * half + column + j] >> (2 * pair)) & 3;
      const int third = (high[column + j] >> bit) & 1;
      out[16 * run + j] = scale * static_cast<float>(code - 4 * (1 - third));
    }
  }
}

/// Scale and minimum of run `i` (of 8): 6 bits each; the upper four runs keep their two high bits in the
/// bytes of the lower four.
struct ScaleMin {
  float scale, minimum;
};
ScaleMin scale_min(const Byte* packed, int i, float d, float dmin) {
  int scale = 0, minimum = 0;
  if (i < 4) {
    scale = packed[i] & 63;
    minimum = packed[i + 4] & 63;
  } else {
    scale = (packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4);
    minimum = (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4);
  }
  return {d * static_cast<float>(scale), dmin * static_cast<float>(minimum)};
}

/// d, dmin, packed scales, [32 bytes of fifth bits,] 128 bytes of nibbles: 32 bytes hold two runs of 32
/// weights, low nibbles first.
template <bool kFifthBit>
void q45_k(const Byte* b, float* out) {
  const float d = half_at(b), dmin = half_at(b + 2);
  const Byte* packed = b + 4;
  const Byte* fifth = packed + kSubScaleBytes;
  const Byte* codes = fifth + (kFifthBit ? 32 : 0);
  for (int run = 0; run < kSuper / 32; ++run) {
    const ScaleMin s = scale_min(packed, run, d, dmin);
    const Byte* from = codes + 32 * (run / 2);
    const int shift = 4 * (run % 2);
    for (int j = 0; j < 32; ++j) {
      int code = (from[j] >> shift) & 15;
      if constexpr (kFifthBit) code |= ((fifth[j] >> run) & 1) << 4;
      out[32 * run + j] = s.scale * static_cast<float>(code) - s.minimum;
    }
  }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales (one a 16 weights), d. Each half of
/// 128 weights owns 64 nibble bytes and 32 pair bytes.
void q6_k(const Byte* b, float* out) {
  const Byte* low = b;
  const Byte* high = b + 128;
  const Byte* scales = b + 192;
  const float d = half_at(b + 208);
  for (int run = 0; run < kSuper / 16; ++run) {
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(scales[run]));
    const int half = run / 8, quarter = (run % 8) / 2, column = 16 * (run % 2);
    const Byte* nibble = low + 64 * half + 32 * (quarter % 2) + column;
    const int shift = 4 * (quarter / 2);
    const Byte* pair = high + 32 * half + column;
    for (int j = 0; j < 16; ++j) {
      const int code = ((nibble[j] >> shift) & 15) | (((pair[j] >> (2 * quarter)) & 3) << 4);
      out[16 * run + j] = scale * static_cast<float>(code - 32);
    }
  }
}

template <void (*kBlock)(const Byte*, float*)>
void all_blocks(GgufBlock block, const Byte* from, std::size_t count, float* to) {
  for (std::size_t i = 0; i < count; ++i, from += block.bytes, to += block.values) kBlock(from, to);
}

}  // namespace

void dequantise_blocks(GgufType type, std::span<const std::byte> blocks, std::span<float> values) {
  const GgufBlock block = block_of(type);
  const std::size_t count = blocks.size() / static_cast<std::size_t>(block.bytes);
  assert(count * static_cast<std::size_t>(block.bytes) == blocks.size());
  assert(count * static_cast<std::size_t>(block.values) == values.size());
  if (count == 0) return;
  const Byte* from = reinterpret_cast<const Byte*>(blocks.data());
  float* to = values.data();
  const auto convert = [&](float (*widen)(std::uint16_t)) {
    for (std::size_t i = 0; i < count; ++i) {
      std::uint16_t bits;
      std::memcpy(&bits, from + 2 * i, sizeof(bits));
      to[i] = widen(bits);
    }
  };
  switch (type) {
    case GgufType::f32:
      std::memcpy(to, from, blocks.size());
      return;
    case GgufType::f16:
      return convert(&half_to_float);
    case GgufType::bf16:
      return convert(&bfloat16_to_float);
    case GgufType::q4_0:
      return all_blocks<q4_0>(block, from, count, to);
    case GgufType::q4_1:
      return all_blocks<q4_1>(block, from, count, to);
    case GgufType::q5_0:
      return all_blocks<q5_0>(block, from, count, to);
    case GgufType::q5_1:
      return all_blocks<q5_1>(block, from, count, to);
    case GgufType::q8_0:
      return all_blocks<q8_0>(block, from, count, to);
    case GgufType::q2_k:
      return all_blocks<q2_k>(block, from, count, to);
    case GgufType::q3_k:
      return all_blocks<q3_k>(block, from, count, to);
    case GgufType::q4_k:
      return all_blocks<q45_k<false>>(block, from, count, to);
    case GgufType::q5_k:
      return all_blocks<q45_k<true>>(block, from, count, to);
    case GgufType::q6_k:
      return all_blocks<q6_k>(block, from, count, to);
  }
}

HostTensor dequantise(const GgufFile& file, const GgufTensor& tensor) {
  const GgufType type = type_of(file, tensor);
  if (type != GgufType::f32 && type != GgufType::f16 && type != GgufType::bf16) {
    HostTensor out = HostTensor::zeros(DType::f32, tensor.shape);
    dequantise_blocks(type, tensor.data,
                      {reinterpret_cast<float*>(out.mutable_bytes()), static_cast<std::size_t>(out.numel())});
    return out;
  }
  HostTensor view;
  view.dtype = type == GgufType::f32 ? DType::f32 : type == GgufType::f16 ? DType::f16 : DType::bf16;
  view.shape = tensor.shape;
  view.strides = contiguous_strides(view.shape);
  view.data = tensor.data.data();
  view.owner = file.map;
  if (reinterpret_cast<std::uintptr_t>(view.data) % size_of(view.dtype) == 0) return view;
  HostTensor aligned = HostTensor::zeros(view.dtype, view.shape);
  std::memcpy(aligned.mutable_bytes(), view.data, view.bytes());
  return aligned;
}

}  // namespace anemll
