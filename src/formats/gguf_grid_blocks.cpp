// GGUF's blocks of 256 weights whose codes name points of a grid: the IQ1, IQ2 and IQ3 types.
#include "src/formats/internal/gguf_blocks.hpp"
#include "src/formats/internal/gguf_grids.hpp"

#include <array>
#include <bit>

namespace anemll::formats {
namespace {

using Byte = std::uint8_t;

/// The values of `kWidth` weights side by side.
template <std::size_t kWidth>
using Point = std::array<std::int8_t, kWidth>;

template <std::size_t kWidth, std::size_t kPoints, std::size_t kLevels>
constexpr std::array<Point<kWidth>, kPoints> unpacked(const std::array<std::uint16_t, kPoints>& grid,
                                                      const std::array<std::int8_t, kLevels>& levels) {
  constexpr unsigned kBits = 16 / kWidth;
  std::array<Point<kWidth>, kPoints> points{};
  for (std::size_t i = 0; i < kPoints; ++i) {
    for (std::size_t j = 0; j < kWidth; ++j)
      points[i][j] = levels[(grid[i] >> (kBits * j)) & ((1U << kBits) - 1)];
  }
  return points;
}

// use.
constexpr auto kIq2Xxs = unpacked<8>(kIq2XxsGrid, kIq2Levels);
constexpr auto kIq2Xs = unpacked<8>(kIq2XsGrid, kIq2Levels);
constexpr auto kIq2S = unpacked<8>(kIq2SGrid, kIq2Levels);
constexpr auto kIq3Xxs = unpacked<4>(kIq3XxsGrid, kIq3XxsLevels);
constexpr auto kIq3S = unpacked<4>(kIq3SGrid, kIq3SLevels);
constexpr auto kIq1 = unpacked<8>(kIq1Grid, kIq1Levels);

/// A point times a scale. Bit j of `signs` turns the sign of weight j.
template <std::size_t kWidth>
void put(const Point<kWidth>& point, unsigned signs, float scale, float* out) {
  for (std::size_t j = 0; j < kWidth; ++j) {
    const float value = scale * static_cast<float>(point[j]);
    out[j] = (signs >> j) & 1U ? -value : value;
  }
}

/// Eight signs are stored as seven: their number is even.
unsigned even_signs(unsigned seven) {
  seven &= 127U;
  return seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7;
}

/// The unit of the IQ2 types: d / 4 * (code + 1/2).
float half_steps(float d, int code) {
  return d * (0.5F + static_cast<float>(code));
}

/// d, then 8 bytes a run of 32 weights: four codes, and a word of four times seven signs with the scale on
/// top.
void iq2_xxs(const Byte* b, float* out) {
  const float d = half_at(b);
  for (int run = 0; run < kSuper / 32; ++run) {
    const Byte* codes = b + 2 + 8 * run;
    const auto word = load_at<std::uint32_t>(codes + 4);
    const float unit = half_steps(d, static_cast<int>(word >> 28)) * 0.25F;
    for (int i = 0; i < 4; ++i)
      put(kIq2Xxs[codes[i]], even_signs(word >> (7 * i)), unit, out + 32 * run + 8 * i);
  }
}

/// d, 32 words of a 9-bit code and seven signs, 8 bytes of scales, one a 16 weights.
void iq2_xs(const Byte* b, float* out) {
  const float d = half_at(b);
  const Byte* scales = b + 66;
  for (int i = 0; i < kSuper / 8; ++i) {
    const unsigned word = load_at<std::uint16_t>(b + 2 + 2 * i);
    put(kIq2Xs[word & 511U], even_signs(word >> 9), half_steps(d, nibble_at(scales, i / 2)) * 0.25F,
        out + 8 * i);
  }
}

/// d, low bytes of 32 codes, 32 bytes of signs, 8 bytes of the codes' high bit pairs, 8 bytes of scales, one
/// a 16 weights.
void iq2_s(const Byte* b, float* out) {
  const float d = half_at(b);
  const Byte* codes = b + 2;
  const Byte* signs = b + 34;
  const Byte* high = b + 66;
  const Byte* scales = b + 74;
  for (int i = 0; i < kSuper / 8; ++i) {
    const int code = codes[i] | ((high[i / 4] >> (2 * (i % 4))) & 3) << 8;
    put(kIq2S[static_cast<std::size_t>(code)], signs[i], half_steps(d, nibble_at(scales, i / 2)) * 0.25F,
        out + 8 * i);
  }
}

/// d, 64 codes of four weights, a word as in IQ2_XXS for each run of 32.
void iq3_xxs(const Byte* b, float* out) {
  const float d = half_at(b);
  for (int run = 0; run < kSuper / 32; ++run) {
    const Byte* codes = b + 2 + 8 * run;
    const auto word = load_at<std::uint32_t>(b + 66 + 4 * run);
    const float unit = half_steps(d, static_cast<int>(word >> 28)) * 0.5F;
    for (int i = 0; i < 8; ++i) {
      const unsigned signs = even_signs(word >> (7 * (i / 2))) >> (4 * (i % 2));
      put(kIq3Xxs[codes[i]], signs, unit, out + 32 * run + 4 * i);
    }
  }
}

/// d, low bytes of 64 codes of four weights, 8 bytes of their ninth bits, 32 bytes of signs, 4 bytes of
/// scales, one a 32 weights.
void iq3_s(const Byte* b, float* out) {
  const float d = half_at(b);
  const Byte* codes = b + 2;
  const Byte* ninth = b + 66;
  const Byte* signs = b + 74;
  const Byte* scales = b + 106;
  for (int i = 0; i < kSuper / 4; ++i) {
    const int code = codes[i] | ((ninth[i / 8] >> (i % 8)) & 1) << 8;
    const float unit = d * static_cast<float>(1 + 2 * nibble_at(scales, i / 8));
    put(kIq3S[static_cast<std::size_t>(code)], static_cast<unsigned>(signs[i / 2] >> (4 * (i % 2))), unit,
        out + 4 * i);
  }
}

/// Eight weights of the IQ1 types: a point whose values are all moved by an eighth.
void put_moved(unsigned code, bool down, float scale, float* out) {
  const float move = down ? -0.125F : 0.125F;
  for (std::size_t j = 0; j < 8; ++j) out[j] = scale * (static_cast<float>(kIq1[code][j]) + move);
}

/// d, low bytes of 32 codes, a word for each run of 32 weights: four times three high bits of a code, three
/// of the scale, and where the run moves.
void iq1_s(const Byte* b, float* out) {
  const float d = half_at(b);
  const Byte* codes = b + 2;
  for (int run = 0; run < kSuper / 32; ++run) {
    const unsigned word = load_at<std::uint16_t>(b + 34 + 2 * run);
    const float scale = d * static_cast<float>(2 * ((word >> 12) & 7U) + 1);
    for (int i = 0; i < 4; ++i) {
      const unsigned code = codes[4 * run + i] | ((word >> (3 * i)) & 7U) << 8;
      put_moved(code, (word & 0x8000U) != 0, scale, out + 32 * run + 8 * i);
    }
  }
}

/// Low bytes of 32 codes, a nibble for each (three high bits, and where it moves), four words of four 3-bit
/// scales, one a 16 weights. The words' upper nibbles are d, the lowest nibble first.
void iq1_m(const Byte* b, float* out) {
  const Byte* codes = b;
  const Byte* high = b + 32;
  unsigned words[4], bits = 0;
  for (int i = 0; i < 4; ++i) {
    words[i] = load_at<std::uint16_t>(b + 48 + 2 * i);
    bits |= (words[i] >> 12) << (4 * i);
  }
  const float d = half_to_float(static_cast<std::uint16_t>(bits));
  for (int i = 0; i < kSuper / 8; ++i) {
    const auto nibble = static_cast<unsigned>(nibble_at(high, i));
    const unsigned scale = (words[i / 8] >> (3 * (i / 2 % 4))) & 7U;
    put_moved(codes[i] | (nibble & 7U) << 8, (nibble & 8U) != 0, d * static_cast<float>(2 * scale + 1),
              out + 8 * i);
  }
}

constexpr std::array kTypes{
    block_type<iq1_s, kSuper, 50>(GgufType::iq1_s, "IQ1_S"),
    block_type<iq1_m, kSuper, 56>(GgufType::iq1_m, "IQ1_M"),
    block_type<iq2_xxs, kSuper, 66>(GgufType::iq2_xxs, "IQ2_XXS"),
    block_type<iq2_xs, kSuper, 74>(GgufType::iq2_xs, "IQ2_XS"),
    block_type<iq2_s, kSuper, 82>(GgufType::iq2_s, "IQ2_S"),
    block_type<iq3_xxs, kSuper, 98>(GgufType::iq3_xxs, "IQ3_XXS"),
    block_type<iq3_s, kSuper, 110>(GgufType::iq3_s, "IQ3_S"),
};

}  // namespace

std::span<const BlockType> grid_block_types() {
  return kTypes;
}

}  // namespace anemll::formats
