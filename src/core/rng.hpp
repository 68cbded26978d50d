// Randomness without state: every number is a pure function of (seed, stream, index), so that any rank,
// thread or resumed run gets the same one without replaying those before it. Not for cryptography.
//
// bits(i) is two rounds of the splitmix64 finaliser (Steele, Lea, Flood 2014; Stafford's variant 13) over a
// key of seed and stream. Safe to call from any thread.
#pragma once

#include <cstdint>

namespace anemll {

/// A bijection of 64-bit words in which every input bit flips every output bit with probability near 1/2.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

class CounterRng {
 public:
  constexpr CounterRng(std::uint64_t seed, std::uint64_t stream)
      : key_(mix64(mix64(seed + kGolden) + kGolden * (2 * stream + 1))) {}

  constexpr std::uint64_t bits(std::uint64_t index) const {
    return mix64(mix64(index * kGolden + key_) ^ key_);
  }
  /// In [0, 1), a multiple of 2^-53.
  constexpr double uniform(std::uint64_t index) const {
    return static_cast<double>(bits(index) >> 11) * 0x1p-53;
  }
  /// Standard normal.
  double normal(std::uint64_t index) const;
  /// In [0, n), exactly uniform; n of 0 gives 0.
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;

 private:
  static constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;  // odd: multiplying permutes the counters
  std::uint64_t key_;
};

}  // namespace anemll
