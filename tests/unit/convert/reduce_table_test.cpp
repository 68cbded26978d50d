// Smaller tables: the reference's numbers, the optimum against every other way to cut, what is refused.
#include "src/convert/internal/reduce_table.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/half.hpp"
#include "src/core/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

// Values are rounded to half, which is 5e-4 below 1 at most; costs are squares of that times weights of 1.
constexpr double kHalfCost = 1e-5;

std::vector<float> mirrored(const std::vector<float>& positive) {
  std::vector<float> table;
  for (auto value = positive.rbegin(); value != positive.rend(); ++value) table.push_back(-*value);
  table.insert(table.end(), positive.begin(), positive.end());
  return table;
}

const std::vector<float> kDefault = mirrored({0.06689453125F, 0.2001953125F, 0.33349609375F, 0.466796875F,
                                              0.60009765625F, 0.7333984375F, 0.86669921875F, 1});
const std::vector<double> kAlike(16, 1.0);

double cost_of(const std::vector<float>& table, const std::vector<double>& weights,
               const std::vector<float>& values) {
  double cost = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const float value : values)
      nearest = std::min(nearest,
                         (static_cast<double>(table[i]) - value) * (static_cast<double>(table[i]) - value));
    cost += weights[i] * nearest;
  }
  return cost;
}

/// The least cost of any cut of the table into `k` runs, each with its own best value.
double least_cost(const std::vector<float>& table, const std::vector<double>& weights, std::size_t first,
                  std::size_t k) {
  if (first == table.size()) return k == 0 ? 0 : std::numeric_limits<double>::infinity();
  double best = std::numeric_limits<double>::infinity();
  double w = 0, wx = 0;
  for (std::size_t end = first + 1; k > 0 && end <= table.size(); ++end) {
    w += weights[end - 1];
    wx += weights[end - 1] * table[end - 1];
    double cost = 0;
    for (std::size_t i = first; i < end; ++i) cost += weights[i] * (table[i] - wx / w) * (table[i] - wx / w);
    best = std::min(best, cost + least_cost(table, weights, end, k - 1));
  }
  return best;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reduce)

BOOST_AUTO_TEST_CASE(the_reference_s_tables) {
  const std::vector<float> of_default{-0.7333984375F, -0.2001953125F, 0.266845703125F, 0.800048828125F};
  BOOST_TEST(reduce_table(kDefault, kAlike, 4, LutReduce::kmeans_entries, "l").values == of_default,
             boost::test_tools::per_element());
  const std::vector<float> dense = mirrored({0.0625F, 0.125F, 0.25F, 0.375F, 0.5F, 0.75F, 1, 2});
  const std::vector<float> of_dense{-1.5F, -0.34375F, 0.34375F, 1.5F};
  BOOST_TEST(reduce_table(dense, kAlike, 4, LutReduce::kmeans_entries, "l").values == of_dense,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(weighted_values_are_the_best_that_there_are) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const CounterRng rng(seed, 0);
    std::vector<double> weights;
    for (std::uint64_t i = 0; i < 16; ++i) weights.push_back(rng.uniform(i) + 1e-3);
    const ReducedTable reduced = reduce_table(kDefault, weights, 4, LutReduce::weighted_kmeans, "l");
    const double best = least_cost(kDefault, weights, 0, 4);
    BOOST_TEST(cost_of(kDefault, weights, reduced.values) < best + kHalfCost);
    BOOST_TEST(cost_of(kDefault, weights, reduced.values) > best - kHalfCost);
    for (const float value : reduced.values) BOOST_TEST(half_to_float(float_to_half(value)) == value);
    for (std::size_t i = 0; i < kDefault.size(); ++i) {
      const float chosen = reduced.values[reduced.entry_of[i]];
      for (const float value : reduced.values)
        BOOST_TEST(std::abs(kDefault[i] - chosen) <= std::abs(kDefault[i] - value));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_table_follows_the_weights_that_use_it) {
  std::vector<double> weights(16, 1e-6);
  for (const std::size_t used : {3U, 4U, 9U, 15U}) weights[used] = 1;
  const std::vector<float> expected{kDefault[3], kDefault[4], kDefault[9], kDefault[15]};
  const ReducedTable reduced = reduce_table(kDefault, weights, 4, LutReduce::weighted_kmeans, "l");
  for (std::size_t i = 0; i < expected.size(); ++i)
    BOOST_TEST(std::abs(reduced.values[i] - expected[i]) < 1e-3F);
}

BOOST_AUTO_TEST_CASE(symmetric_tables_are_their_mirror_image) {
  std::vector<double> weights(16, 0.1);
  weights[15] = 5;  // only the positive side is heavy
  const std::vector<float> values = reduce_table(kDefault, weights, 4, LutReduce::symmetric, "l").values;
  BOOST_REQUIRE(values.size() == 4U);
  BOOST_TEST(values[0] == -values[3]);
  BOOST_TEST(values[1] == -values[2]);
  BOOST_TEST(values[3] > 0.9F);  // drawn to the heavy entry
  BOOST_CHECK_THROW(reduce_table(kDefault, weights, 3, LutReduce::symmetric, "l"), Error);
  const std::vector<float> with_zero{-1, 0, 0.5F, 1};
  BOOST_CHECK_THROW(reduce_table(with_zero, std::vector<double>{1, 9, 0, 1}, 4, LutReduce::symmetric, "l"),
                    Error);
}

BOOST_AUTO_TEST_CASE(a_table_that_no_weight_uses_is_cut_as_if_all_did) {
  const std::vector<double> none(16, 0.0);
  for (const LutReduce how : {LutReduce::weighted_kmeans, LutReduce::symmetric}) {
    BOOST_TEST(reduce_table(kDefault, none, 4, how, "l").values ==
                   reduce_table(kDefault, kAlike, 4, how, "l").values,
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE_END()
