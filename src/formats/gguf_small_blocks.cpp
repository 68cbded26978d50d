// GGUF's blocks of 32 or 64 weights.
#include "src/formats/internal/gguf_blocks.hpp"

#include <array>
#include <bit>

namespace anemll::formats {
namespace {

using Byte = std::uint8_t;

constexpr int kSmall = 32;  // weights of a plain block

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

/// Codes of levels in nibbles: the low ones are the first half.
void levels(const Byte* codes, int bytes, const std::int8_t* level, float scale, float* out) {
  for (int j = 0; j < bytes; ++j) {
    out[j] = scale * static_cast<float>(level[codes[j] & 15]);
    out[j + bytes] = scale * static_cast<float>(level[codes[j] >> 4]);
  }
}

void iq4_nl(const Byte* b, float* out) {
  levels(b + 2, kSmall / 2, kIq4Levels, half_at(b), out);
}

/// Twice the values of a 4-bit float (sign, two bits of exponent, one of fraction).
constexpr std::int8_t kFloat4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// Half of 2^(e - 127). The two smallest are below the normal range of float.
float half_power(unsigned e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000U << e : (e - 1) << 23);
}

void mxfp4(const Byte* b, float* out) {
  levels(b + 1, kSmall / 2, kFloat4Levels, half_power(b[0]), out);
}

/// Half of an 8-bit float without a sign (four bits of exponent, three of fraction). 0x7f, its not-a-number,
/// is 0.
float half_float8(unsigned bits) {
  if (bits == 0x7f) return 0.0F;
  const unsigned exponent = (bits >> 3) & 15U, fraction = bits & 7U;
  // 2^-10 * fraction, or 2^(exponent - 8) * (1 + fraction / 8).
  if (exponent == 0) return 0x1p-10F * static_cast<float>(fraction);
  return std::bit_cast<float>((exponent - 8U + 127U) << 23 | fraction << 20);
}

/// Four scales, then the codes of four runs of 16 weights.
void nvfp4(const Byte* b, float* out) {
  for (int run = 0; run < 4; ++run) {
    levels(b + 4 + 8 * run, 8, kFloat4Levels, half_float8(b[run]), out + 16 * run);
  }
}

constexpr std::array kTypes{
    block_type<q4_0, kSmall, 18>(GgufType::q4_0, "Q4_0"),
    block_type<q4_1, kSmall, 20>(GgufType::q4_1, "Q4_1"),
    block_type<q5_0, kSmall, 22>(GgufType::q5_0, "Q5_0"),
    block_type<q5_1, kSmall, 24>(GgufType::q5_1, "Q5_1"),
    block_type<q8_0, kSmall, 34>(GgufType::q8_0, "Q8_0"),
    block_type<iq4_nl, kSmall, 18>(GgufType::iq4_nl, "IQ4_NL"),
    block_type<mxfp4, kSmall, 17>(GgufType::mxfp4, "MXFP4"),
    block_type<nvfp4, 64, 36>(GgufType::nvfp4, "NVFP4"),
};

}  // namespace

std::span<const BlockType> small_block_types() {
  return kTypes;
}

}  // namespace anemll::formats
