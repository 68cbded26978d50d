// y_o = sum_k A_ok sum_i (B_ki x_i) lut[code_oi]: B o x is made once for all rows of W, so a weight costs its
// look-up and one multiply-add for each rank. Sums of all ranks stay in registers, for as many rows at a time
// as there is room.
#include "src/kernels/internal/packed_product_cpu.hpp"

#include <cstddef>
#include <cstring>

namespace anemll::kernels {
namespace {

using Index = std::int64_t;

constexpr std::size_t kMostRanks = 8;  // at a time: sums of more do not fit the registers

template <class V, class T>
ANEMLL_INLINE void read(V& to, const T* from) {
  std::memcpy(&to, from, sizeof(V));
}

ANEMLL_INLINE float sum_of(const Floats8& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// The table's entries for the lowest bits of each word.
template <int Bits>
ANEMLL_INLINE void values_of(const Floats8& low, const Floats8& high, const Words8& words, Floats8& out) {
  look_up(low, words, out);  // two bits: the third belongs to the next code, and the table repeats itself
  if constexpr (Bits == 4) {
    Floats8 upper;
    look_up(high, words, upper);
    out = (words & 8U) != 0U ? upper : out;
  }
}

/// Adds the part of `Ranks` ranks from `rank` on to y of the rows [row, row + Rows).
template <int Bits, std::size_t Ranks, std::size_t Rows>
ANEMLL_INLINE void add_ranks(const PackedRows& p, Index input, Index rank, Index row) {
  const auto padded = static_cast<std::size_t>(p.layout.padded());
  const auto stride = static_cast<std::size_t>(p.layout.words());
  const std::uint32_t* words = p.words + row * p.layout.words();
  const float* x = p.scaled_x + (input * p.rank + rank) * p.layout.padded();
  Floats8 low;
  Floats8 high = {};
  read(low, p.table);
  if constexpr (Bits == 4) read(high, p.table + kLanes8);
  Floats8 sums[Rows][Ranks] = {};
  std::size_t column = 0;
  for (std::size_t word = 0; column < padded; word += kLanes8) {
    Words8 codes[Rows];
    for (std::size_t r = 0; r < Rows; ++r) read(codes[r], words + r * stride + word);
    const std::size_t behind = column + 32 / Bits * kLanes8;
    const std::size_t end = behind < padded ? behind : padded;
    for (; column < end; column += kLanes8) {
      Floats8 values[Rows];
      for (std::size_t r = 0; r < Rows; ++r) {
        values_of<Bits>(low, high, codes[r], values[r]);
        codes[r] >>= Bits;
      }
      for (std::size_t k = 0; k < Ranks; ++k) {
        Floats8 scaled;
        read(scaled, x + k * padded + column);
        for (std::size_t r = 0; r < Rows; ++r) sums[r][k] += values[r] * scaled;
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    const Index output = row + static_cast<Index>(r);
    const float* a = p.a + output * p.rank + rank;
    Floats8 total = {};
    for (std::size_t k = 0; k < Ranks; ++k) total += a[k] * sums[r][k];
    p.y[input * p.outputs + output] += sum_of(total);
  }
}

template <int Bits, std::size_t Ranks>
ANEMLL_INLINE void add_to_rows(const PackedRows& p, Index input, Index rank, Index begin, Index end) {
  // Eight sums are enough to hide the latency of a multiply-add, and leave registers for the rest.
  constexpr Index kRows = Ranks <= 2 ? 4 : Ranks <= 4 ? 2 : 1;
  Index row = begin;
  for (; row + kRows <= end; row += kRows) add_ranks<Bits, Ranks, std::size_t{kRows}>(p, input, rank, row);
  for (; row < end; ++row) add_ranks<Bits, Ranks, 1>(p, input, rank, row);
}

template <int Bits>
ANEMLL_INLINE void add_some_ranks(const PackedRows& p, Index input, Index rank, Index begin, Index end) {
  switch (p.rank - rank) {
    case 1:
      return add_to_rows<Bits, 1>(p, input, rank, begin, end);
    case 2:
      return add_to_rows<Bits, 2>(p, input, rank, begin, end);
    case 3:
      return add_to_rows<Bits, 3>(p, input, rank, begin, end);
    case 4:
      return add_to_rows<Bits, 4>(p, input, rank, begin, end);
    case 5:
      return add_to_rows<Bits, 5>(p, input, rank, begin, end);
    case 6:
      return add_to_rows<Bits, 6>(p, input, rank, begin, end);
    case 7:
      return add_to_rows<Bits, 7>(p, input, rank, begin, end);
    default:
      return add_to_rows<Bits, kMostRanks>(p, input, rank, begin, end);
  }
}

}  // namespace

void pack_codes(const CodeLayout& layout, const std::uint8_t* codes, std::uint32_t* words) {
  std::memset(words, 0, static_cast<std::size_t>(layout.words()) * sizeof(std::uint32_t));
  const Index group = layout.steps() * kLanes8;
  for (Index i = 0; i < layout.width; ++i) {
    const Index word = i / group * kLanes8 + i % kLanes8;
    const Index step = i % group / kLanes8;
    words[word] |= static_cast<std::uint32_t>(codes[i]) << (step * layout.bits);
  }
}

ANEMLL_SIMD void unpack_codes(const CodeLayout& layout, const std::uint32_t* words, std::uint8_t* codes) {
  const std::uint32_t mask = (1U << layout.bits) - 1U;
  const Index steps = layout.steps();
  for (Index begin = 0; begin < layout.width; begin += kLanes8) {
    const std::uint32_t* word = words + begin / (steps * kLanes8) * kLanes8;
    const auto shift = static_cast<std::uint32_t>(begin / kLanes8 % steps * layout.bits);
    const Index count = layout.width - begin < kLanes8 ? layout.width - begin : kLanes8;
    for (Index i = 0; i < count; ++i) codes[begin + i] = static_cast<std::uint8_t>((word[i] >> shift) & mask);
  }
}

ANEMLL_SIMD void scale_input(const float* b, const float* x, Index rank, const CodeLayout& layout,
                             float* scaled_x) {
  for (Index k = 0; k < rank; ++k) {
    float* out = scaled_x + k * layout.padded();
    const float* row = b + k * layout.width;
#pragma omp simd
    for (Index i = 0; i < layout.width; ++i) out[i] = row[i] * x[i];
    for (Index i = layout.width; i < layout.padded(); ++i) out[i] = 0;
  }
}

ANEMLL_SIMD void packed_rows(const PackedRows& p, Index begin, Index end) {
  for (Index input = 0; input < p.inputs; ++input) {
    for (Index row = begin; row < end; ++row)
      p.y[input * p.outputs + row] = p.bias != nullptr ? p.bias[row] : 0.0F;
    for (Index rank = 0; rank < p.rank; rank += Index{kMostRanks}) {
      if (p.layout.bits == 2)
        add_some_ranks<2>(p, input, rank, begin, end);
      else
        add_some_ranks<4>(p, input, rank, begin, end);
    }
  }
}

}  // namespace anemll::kernels
