// How sure a mean over chunks is: percentile bootstrap intervals (Efron 1979). Chunks are drawn and not
// positions, since positions of one text depend on each other.
#pragma once

#include <cstdint>
#include <span>

namespace anemll {

/// One chunk: the sum of some figure over its positions, and how many those are.
struct ChunkSum {
  double sum = 0;
  double count = 0;
};

struct BootstrapOptions {
  std::int64_t resamples = 2000;
  double level = 0.95;  ///< share of the resamples inside of the interval
  std::uint64_t seed = 0;
};

struct Interval {
  double low = 0, high = 0;
};

/// Of sum / count over all chunks. One seed draws the same chunks whatever the figures are, so differences of
/// two models on the same chunks are paired. Both ends are NaN with fewer than two chunks that count, and
/// where a sum is not finite.
Interval bootstrap_mean(std::span<const ChunkSum> chunks, const BootstrapOptions& options);

/// sum / count over all chunks; NaN without positions.
double mean_of(std::span<const ChunkSum> chunks);

}  // namespace anemll
