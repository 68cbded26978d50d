// The order of samples: a keyed permutation of [0, count) evaluated one index at a time.
//
// A Feistel network over the smallest power of two that holds `count` is a bijection whatever its round
// function is (Luby and Rackoff 1988). Cycle walking restricts it to [0, count): apply it again until the
// result is inside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). The domain is less
// than twice `count`, so two applications are enough on average. The round function is the finaliser of
// SplitMix64 (Steele, Lea, Flood 2014), keyed by seed, epoch and round. Frozen: checkpoints hold a step
// number and rely on this order.
#include "anemll/data/order.hpp"

#include "anemll/core/error.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <bit>

namespace anemll {
namespace {

constexpr int kRounds = 12;  // small domains need more rounds than large ones to look random
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

// The finaliser as SplitMix64 applies it, so that zero does not stay zero.
std::uint64_t mix(std::uint64_t x) {
  return mix64(x + kGolden);
}

// One application over 2^bits values; the halves differ by at most one bit and swap roles every round.
std::uint64_t feistel(std::uint64_t value, unsigned bits, std::uint64_t key) {
  const unsigned low_bits = bits / 2;
  const std::uint64_t low_mask = (std::uint64_t{1} << low_bits) - 1;
  const std::uint64_t high_mask = (std::uint64_t{1} << (bits - low_bits)) - 1;
  std::uint64_t low = value & low_mask;
  std::uint64_t high = value >> low_bits;
  for (std::uint64_t round = 0; round < kRounds; round += 2) {
    high ^= mix(key ^ mix((round << 56U) | low)) & high_mask;
    low ^= mix(key ^ mix(((round + 1) << 56U) | high)) & low_mask;
  }
  return (high << low_bits) | low;
}

}  // namespace

SampleOrder::SampleOrder(std::int64_t count, std::int64_t batch_size, OrderKind kind, std::uint64_t seed)
    : count_(count), batch_size_(batch_size), kind_(kind), seed_(seed) {
  if (count < 1)
    throw_data("holds no sequences", "KD cache",
               "make a cache with at least one sequence, with anemll_precompute or anemll_cache import");
  if (batch_size < 1) throw_usage("must be at least 1", "--batch-size", "");
}

std::int64_t SampleOrder::batches_per_epoch() const {
  return (count_ - 1) / batch_size_ + 1;
}

std::int64_t SampleOrder::at(std::int64_t epoch, std::int64_t index) const {
  if (kind_ == OrderKind::sequential || count_ == 1) return index;
  const auto count = static_cast<std::uint64_t>(count_);
  const auto bits = std::max(static_cast<unsigned>(std::bit_width(count - 1)), 2U);
  const std::uint64_t key = mix(mix(seed_) + static_cast<std::uint64_t>(epoch) * kGolden);
  auto value = static_cast<std::uint64_t>(index);
  do {
    value = feistel(value, bits, key);
  } while (value >= count);
  return static_cast<std::int64_t>(value);
}

std::vector<std::int64_t> SampleOrder::rows(std::int64_t step, int rank, int world) const {
  const std::int64_t per_rank = (batch_size_ - 1) / world + 1;
  const std::int64_t epoch = step / batches_per_epoch();
  const std::int64_t batch_start = (step % batches_per_epoch()) * batch_size_;
  std::vector<std::int64_t> result(static_cast<std::size_t>(per_rank), -1);
  for (std::int64_t i = 0; i < per_rank; ++i) {
    const std::int64_t place = rank * per_rank + i;  // inside the global batch
    if (place >= batch_size_ || batch_start + place >= count_) break;
    result[static_cast<std::size_t>(i)] = at(epoch, batch_start + place);
  }
  return result;
}

}  // namespace anemll
