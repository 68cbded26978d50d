// The block types of GGUF as tables: what a block is called, how large it is, and the function from its bytes
// to its values. A block is a row's run of 32 to 256 weights with its scales.
//
// Every value is a product of a scale and integers that is exact in float, plus at most one offset. So the
// only rounding is that of the one addition, and no contraction can change a bit.
#pragma once

#include "anemll/core/half.hpp"
#include "anemll/formats/gguf.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace anemll::formats {

struct BlockType {
  GgufType type;
  const char* name;
  GgufBlock block;
  /// So many whole blocks, one after the other.
  void (*decode)(const std::uint8_t* from, std::size_t count, float* to);
};

std::span<const BlockType> small_block_types();  ///< up to 64 weights
std::span<const BlockType> super_block_types();  ///< 256 weights, whose codes are numbers or bits of them
std::span<const BlockType> grid_block_types();   ///< 256 weights, whose codes are points of a grid

/// A row for a function that decodes one block.
template <void (*kBlock)(const std::uint8_t*, float*), int kValues, int kBytes>
constexpr BlockType block_type(GgufType type, const char* name) {
  return {type, name, {kValues, kBytes}, [](const std::uint8_t* from, std::size_t count, float* to) {
            for (std::size_t i = 0; i < count; ++i) kBlock(from + i * kBytes, to + i * kValues);
          }};
}

template <typename T>
T load_at(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
inline float half_at(const std::uint8_t* at) {
  return half_to_float(load_at<std::uint16_t>(at));
}

/// Number `i` of packed 4-bit numbers, low halves of the bytes first.
inline int nibble_at(const std::uint8_t* packed, int i) {
  return (packed[i / 2] >> (4 * (i % 2))) & 15;
}

inline constexpr int kSuper = 256;  ///< weights of a large block

/// What the 4-bit codes of the IQ4 types mean.
inline constexpr std::int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

}  // namespace anemll::formats
