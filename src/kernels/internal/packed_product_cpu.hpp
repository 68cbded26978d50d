// Rows of x W^T for packed weights W = lut[codes] o (A B), on raw pointers: codes of 2 or 4 bits, and the
// factors of the scales. Knows nothing of tensors or threads; see packed_product.cpp.
#pragma once

#include "src/kernels/simd.hpp"

#include <cstdint>

namespace anemll::kernels {

/// Where the codes of a row lie: word w of a group of eight holds the columns w, w + 8, w + 16, ... of the
/// group, the first in the lowest bits. So eight neighbours are the same bits of eight words.
struct CodeLayout {
  int bits;  ///< 2 or 4
  std::int64_t width;
  std::int64_t steps() const { return 32 / bits; }
  std::int64_t padded() const { return (width + kLanes8 - 1) / kLanes8 * kLanes8; }
  std::int64_t words() const {
    const std::int64_t group = steps() * kLanes8;
    return (width + group - 1) / group * kLanes8;
  }
};

/// One row of codes, each below 2^bits, to words, and back.
void pack_codes(const CodeLayout& layout, const std::uint8_t* codes, std::uint32_t* words);
void unpack_codes(const CodeLayout& layout, const std::uint32_t* words, std::uint8_t* codes);

struct PackedRows {
  CodeLayout layout;
  const std::uint32_t* words;  ///< [outputs, layout.words()]
  const float* table;          ///< 8 values for 2 bits, those of the LUT twice; 16 for 4 bits
  const float* a;              ///< [outputs, rank]
  std::int64_t rank;
  const float* scaled_x;  ///< [inputs, rank, layout.padded()]: B o x, zero behind the width
  std::int64_t inputs;
  const float* bias;  ///< [outputs] or null
  float* y;           ///< [inputs, outputs]
  std::int64_t outputs;
};

/// Rows of W that are read together: a cut between threads at their multiples changes no bit.
constexpr std::int64_t kPackedTile = 4;

/// y of all inputs and of the outputs [begin, end). An element does not depend on the other inputs.
void packed_rows(const PackedRows& product, std::int64_t begin, std::int64_t end);

/// scaled_x of one input: b [rank, width] times x [width].
void scale_input(const float* b, const float* x, std::int64_t rank, const CodeLayout& layout,
                 float* scaled_x);

}  // namespace anemll::kernels
