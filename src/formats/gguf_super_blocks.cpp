// GGUF's blocks of 256 weights with codes that are numbers: the K types, the ternary ones and IQ4_XS.
#include "src/formats/internal/gguf_blocks.hpp"

#include <array>

namespace anemll::formats {
namespace {

using Byte = std::uint8_t;

constexpr int kSubScaleBytes = 12;  // 6-bit scales, packed

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

/// d, 2 bytes with the high bit pairs of 8 scales, their low nibbles, 128 bytes of nibbles as codes of
/// levels: 16 bytes hold a run of 32 weights, the low nibbles first.
void iq4_xs(const Byte* b, float* out) {
  const float d = half_at(b);
  const unsigned high = load_at<std::uint16_t>(b + 2);
  const Byte* low = b + 4;
  const Byte* codes = b + 8;
  for (int run = 0; run < kSuper / 32; ++run) {
    const int scale = nibble_at(low, run) | static_cast<int>((high >> (2 * run)) & 3U) << 4;
    const float unit = d * static_cast<float>(scale - 32);
    const Byte* from = codes + 16 * run;
    for (int j = 0; j < 16; ++j) {
      out[32 * run + j] = unit * static_cast<float>(kIq4Levels[from[j] & 15]);
      out[32 * run + 16 + j] = unit * static_cast<float>(kIq4Levels[from[j] >> 4]);
    }
  }
}

/// A byte holds up to five ternary digits as a fraction of 256: times 3, what overflows the byte is the next
/// digit. `digits` runs of `width` weights come out of `width` bytes.
float* ternary_digits(const Byte* from, int width, int digits, float d, float* out) {
  for (int digit = 0, power = 1; digit < digits; ++digit, power *= 3) {
    for (int j = 0; j < width; ++j) {
      const int fraction = (from[j] * power) & 255;
      *out++ = d * static_cast<float>(((fraction * 3) >> 8) - 1);
    }
  }
  return out;
}

/// 32 and 16 bytes of five digits, 4 bytes of four, d.
void tq1_0(const Byte* b, float* out) {
  const float d = half_at(b + 52);
  out = ternary_digits(b, 32, 5, d, out);
  out = ternary_digits(b + 32, 16, 5, d, out);
  ternary_digits(b + 48, 4, 4, d, out);
}

/// 64 bytes of bit pairs, d. 32 bytes are four runs of 32 weights, the lowest pairs first.
void tq2_0(const Byte* b, float* out) {
  const float d = half_at(b + 64);
  for (int run = 0; run < kSuper / 32; ++run) {
    const Byte* from = b + 32 * (run / 4);
    const int shift = 2 * (run % 4);
    for (int j = 0; j < 32; ++j) out[32 * run + j] = d * static_cast<float>(((from[j] >> shift) & 3) - 1);
  }
}

constexpr std::array kTypes{
    block_type<q2_k, kSuper, 84>(GgufType::q2_k, "Q2_K"),
    block_type<q3_k, kSuper, 110>(GgufType::q3_k, "Q3_K"),
    block_type<q45_k<false>, kSuper, 144>(GgufType::q4_k, "Q4_K"),
    block_type<q45_k<true>, kSuper, 176>(GgufType::q5_k, "Q5_K"),
    block_type<q6_k, kSuper, 210>(GgufType::q6_k, "Q6_K"),
    block_type<iq4_xs, kSuper, 136>(GgufType::iq4_xs, "IQ4_XS"),
    block_type<tq1_0, kSuper, 54>(GgufType::tq1_0, "TQ1_0"),
    block_type<tq2_0, kSuper, 66>(GgufType::tq2_0, "TQ2_0"),
};

}  // namespace

std::span<const BlockType> super_block_types() {
  return kTypes;
}

}  // namespace anemll::formats
