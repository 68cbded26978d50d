// Bootstrap intervals on figures whose resamples can be told by hand.
#include "src/score/bootstrap.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

using Chunks = std::vector<ChunkSum>;

bool unknown(const Interval& interval) {
  return std::isnan(interval.low) && std::isnan(interval.high);
}

/// Forty chunks of ten positions with means from 0 to 1.
Chunks uneven() {
  Chunks chunks;
  for (int i = 0; i < 40; ++i) chunks.push_back({10.0 * ((i * 17) % 40) / 39, 10});
  return chunks;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(score_bootstrap)

BOOST_AUTO_TEST_CASE(what_does_not_vary_has_no_width) {
  const Chunks chunks{{3, 1}, {6, 2}, {9, 3}};
  BOOST_TEST(mean_of(chunks) == 3);
  const Interval interval = bootstrap_mean(chunks, {});
  BOOST_TEST((interval.low == 3 && interval.high == 3));
}

// Of two chunks a quarter of the draws holds the first alone and a quarter the second alone.
BOOST_AUTO_TEST_CASE(two_chunks_span_their_values) {
  const Chunks chunks{{0, 1}, {1, 1}};
  BOOST_TEST(mean_of(chunks) == 0.5);
  Interval interval = bootstrap_mean(chunks, {});
  BOOST_TEST((interval.low == 0 && interval.high == 1));
  interval = bootstrap_mean(chunks, {2000, 0.2, 0});  // the middle half of the draws has one of each
  BOOST_TEST((interval.low == 0.5 && interval.high == 0.5));
}

BOOST_AUTO_TEST_CASE(the_interval_is_about_two_standard_errors_wide) {
  // Uniform between 0 and 1: standard deviation 0.296 of the 40 means.
  const Interval interval = bootstrap_mean(uneven(), {});
  const double error = 0.296 / std::sqrt(40.0);
  BOOST_TEST(std::abs(mean_of(uneven()) - 0.5) < 1e-9);
  BOOST_TEST(std::abs(interval.low - (0.5 - 1.96 * error)) < 0.02);
  BOOST_TEST(std::abs(interval.high - (0.5 + 1.96 * error)) < 0.02);
  const Interval narrower = bootstrap_mean(uneven(), {2000, 0.5, 0});
  BOOST_TEST((narrower.low > interval.low && narrower.high < interval.high));
}

BOOST_AUTO_TEST_CASE(one_seed_draws_the_same_chunks_for_every_figure) {
  Chunks more = uneven();
  for (ChunkSum& chunk : more) chunk.sum += 2 * chunk.count;
  const Interval a = bootstrap_mean(uneven(), {});
  const Interval b = bootstrap_mean(more, {});
  BOOST_TEST(std::abs(b.low - a.low - 2) < 1e-12);
  BOOST_TEST(std::abs(b.high - a.high - 2) < 1e-12);
  const Interval again = bootstrap_mean(uneven(), {});
  BOOST_TEST((again.low == a.low && again.high == a.high));
  bool differs = false;
  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    const Interval other = bootstrap_mean(uneven(), {2000, 0.95, seed});
    differs = differs || other.low != a.low || other.high != a.high;
  }
  BOOST_TEST(differs);
}

BOOST_AUTO_TEST_CASE(longer_chunks_weigh_more) {
  BOOST_TEST(mean_of(Chunks{{0, 3}, {1, 1}}) == 0.25);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_known_is_no_number) {
  BOOST_TEST(std::isnan(mean_of(Chunks{})));
  BOOST_TEST(unknown(bootstrap_mean(Chunks{}, {})));
  BOOST_TEST(unknown(bootstrap_mean(Chunks{{1, 2}}, {})));
  BOOST_TEST(unknown(bootstrap_mean(Chunks{{1, 2}, {0, 0}}, {})));  // the second has no position
  BOOST_TEST(
      unknown(bootstrap_mean(Chunks{{1, 2}, {std::numeric_limits<double>::quiet_NaN(), 2}, {1, 2}}, {})));
  BOOST_TEST(!unknown(bootstrap_mean(Chunks{{1, 2}, {0, 0}, {2, 2}}, {})));
}

BOOST_AUTO_TEST_SUITE_END()
