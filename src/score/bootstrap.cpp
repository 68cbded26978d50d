#include "src/score/bootstrap.hpp"

#include "src/core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace anemll {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double ratio(const ChunkSum& all) {
  return all.count > 0 ? all.sum / all.count : kUnknown;
}

void add(ChunkSum& all, const ChunkSum& chunk) {
  all.sum += chunk.sum;
  all.count += chunk.count;
}

}  // namespace

double mean_of(std::span<const ChunkSum> chunks) {
  ChunkSum all;
  for (const ChunkSum& chunk : chunks) add(all, chunk);
  return ratio(all);
}

Interval bootstrap_mean(std::span<const ChunkSum> chunks, const BootstrapOptions& options) {
  std::vector<ChunkSum> counting;  // a draw of nothing but empty chunks would have no mean
  for (const ChunkSum& chunk : chunks) {
    if (!std::isfinite(chunk.sum)) return {kUnknown, kUnknown};
    if (chunk.count > 0) counting.push_back(chunk);
  }
  if (counting.size() < 2 || options.resamples < 1) return {kUnknown, kUnknown};
  std::vector<double> means;
  for (std::int64_t resample = 0; resample < options.resamples; ++resample) {
    const CounterRng rng(options.seed, static_cast<std::uint64_t>(resample));
    ChunkSum all;
    for (std::size_t draw = 0; draw < counting.size(); ++draw)
      add(all, counting[static_cast<std::size_t>(rng.below(draw, counting.size()))]);
    means.push_back(ratio(all));
  }
  std::sort(means.begin(), means.end());
  const double outside = (1 - options.level) / 2;
  const auto last = static_cast<double>(means.size() - 1);
  const auto at = [&](double share) { return means[static_cast<std::size_t>(std::lround(share * last))]; };
  return {at(outside), at(1 - outside)};
}

}  // namespace anemll
