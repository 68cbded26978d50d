// A value counts as the bits of the float that it is, cut into two halves: a stream of upper ones, and one of
// lower ones where any of them is not zero. So a BF16 tensor is taken as it lies there, and an F32 one with
// the same values gives the same. The streams are mixed into lanes of 64 bits, because SHA-256 over all bytes
// would take longer than reading the model. It takes the lanes of each chunk.
#include "src/model/internal/value_digest.hpp"

#include "anemll/core/half.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace anemll {
namespace {

// All of these are part of what a digest is.
constexpr std::int64_t kChunk = std::int64_t{1} << 19;  // values
constexpr std::size_t kLanes = 8;  // independent of each other, so that multiplications overlap
constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15U, kMix = 0xd1342543de82ef95U;  // odd
constexpr int kTurn = 27;

constexpr std::size_t kBlock = 4096;      // values taken at a time: they stay in the nearest cache
constexpr std::size_t kRow = 4 * kLanes;  // values of a step
static_assert(kBlock % kRow == 0 && kChunk % kBlock == 0);

using Halves = std::array<std::uint16_t, kBlock>;
using Lanes = std::array<std::uint64_t, kLanes>;

Lanes fresh_lanes() {
  Lanes lanes;
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = kSpread * (2 * i + 1);
  return lanes;
}

/// Each step can be undone when the word is known, and the word when the lane is: one that differs leaves
/// another lane, whatever follows. `count`: whole rows.
void mix(Lanes& lanes, const Halves& halves, std::size_t count) {
  Lanes now = lanes;
  for (std::size_t row = 0; row < count; row += kRow) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      std::uint64_t word;
      std::memcpy(&word, halves.data() + row + 4 * i, sizeof word);
      word *= kSpread;
      word ^= word >> 32;
      now[i] = std::rotl((now[i] ^ word) * kMix, kTurn);
    }
  }
  lanes = now;
}

/// The exponents are in the upper halves.
bool all_numbers(const Halves& upper, std::size_t count) {
  constexpr std::uint16_t kExponent = 0x7f80U;
  std::uint16_t bad = 0;
  for (std::size_t i = 0; i < count; ++i)
    bad = static_cast<std::uint16_t>(bad | static_cast<std::uint16_t>((upper[i] & kExponent) == kExponent));
  return bad == 0;
}

/// The halves of `count` values, which need not be aligned. False when all lower ones are zero.
bool take_halves(DType dtype, const std::byte* data, std::size_t count, Halves& upper, Halves& lower) {
  if (dtype == DType::bf16) {
    std::memcpy(upper.data(), data, count * sizeof(std::uint16_t));
    return false;
  }
  std::array<std::uint32_t, kBlock> bits;
  if (dtype == DType::f32) {
    std::memcpy(bits.data(), data, count * sizeof(std::uint32_t));
  } else {
    std::memcpy(lower.data(), data, count * sizeof(std::uint16_t));
    for (std::size_t i = 0; i < count; ++i) bits[i] = std::bit_cast<std::uint32_t>(half_to_float(lower[i]));
  }
  std::uint32_t any = 0;
  for (std::size_t i = 0; i < count; ++i) {
    upper[i] = static_cast<std::uint16_t>(bits[i] >> 16);
    lower[i] = static_cast<std::uint16_t>(bits[i]);
    any |= bits[i];
  }
  return (any & 0xffffU) != 0;
}

struct ChunkDigest {
  Lanes upper = fresh_lanes(), lower = fresh_lanes();
  bool has_lower = false;
  bool finite = true;
};

ChunkDigest digest_chunk(DType dtype, const std::byte* data, std::size_t count) {
  ChunkDigest out;
  Halves upper, lower;
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t some = std::min(kBlock, count - first);
    const bool has_lower = take_halves(dtype, data + first * size_of(dtype), some, upper, lower);
    // Zeros fill the last row; how many values there are follows from the shape.
    const std::size_t whole = (some + kRow - 1) / kRow * kRow;
    std::fill(upper.begin() + some, upper.begin() + whole, std::uint16_t{0});
    out.finite = out.finite && all_numbers(upper, whole);
    mix(out.upper, upper, whole);
    if (dtype == DType::bf16) continue;
    std::fill(lower.begin() + some, lower.begin() + whole, std::uint16_t{0});
    mix(out.lower, lower, whole);
    out.has_lower = out.has_lower || has_lower;
  }
  return out;
}

}  // namespace

ValueDigest digest_values(const HostTensor& tensor) {
  const HostTensor packed = tensor.packed();
  const std::int64_t count = packed.numel();
  std::vector<ChunkDigest> chunks(static_cast<std::size_t>((count + kChunk - 1) / kChunk));
  kernels::parallel_for(static_cast<std::int64_t>(chunks.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      const std::byte* data = packed.data + static_cast<std::size_t>(i * kChunk) * size_of(packed.dtype);
      chunks[static_cast<std::size_t>(i)] =
          digest_chunk(packed.dtype, data, static_cast<std::size_t>(std::min(kChunk, count - i * kChunk)));
    }
  });
  ValueDigest out;
  Sha256 sha;
  for (const ChunkDigest& chunk : chunks) {
    out.finite = out.finite && chunk.finite;
    sha.update(chunk.has_lower ? "both" : "upper");
    sha.update(std::as_bytes(std::span(chunk.upper)));
    if (chunk.has_lower) sha.update(std::as_bytes(std::span(chunk.lower)));
  }
  out.sha256 = sha.finish();
  return out;
}

}  // namespace anemll
