// The multiple-choice knapsack against all combinations.
#include "src/allocate/internal/knapsack.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

using Items = std::vector<std::vector<Offer>>;
// Sums of up to six losses in another order.
constexpr double kSums = 1e-12;

/// Numbers that look random and are the same everywhere.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 2654435761U + 1) {}
  std::int64_t below(std::int64_t n) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }

 private:
  std::uint64_t state_;
};

Items random_items(std::uint64_t seed) {
  Numbers numbers(seed);
  Items items(static_cast<std::size_t>(1 + numbers.below(5)));
  for (std::vector<Offer>& item : items) {
    for (std::int64_t k = 1 + numbers.below(5); k > 0; --k)
      item.push_back({numbers.below(30), static_cast<double>(numbers.below(1000)) / 997});
  }
  return items;
}

struct Sum {
  std::int64_t cost = 0;
  double loss = 0;
};
Sum sum_of(const Items& items, const std::vector<std::size_t>& chosen) {
  Sum sum;
  for (std::size_t i = 0; i < items.size(); ++i) {
    sum.cost += items[i].at(chosen[i]).cost;
    sum.loss += items[i].at(chosen[i]).loss;
  }
  return sum;
}

/// The least loss of all combinations within the budget; infinite where there is none.
double least_loss(const Items& items, std::int64_t budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> chosen(items.size(), 0);
  for (;;) {
    const Sum sum = sum_of(items, chosen);
    if (sum.cost <= budget) least = std::min(least, sum.loss);
    std::size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return least;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(knapsack)

BOOST_AUTO_TEST_CASE(the_best_of_all_combinations_is_found) {
  int possible = 0, impossible = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Items items = random_items(seed);
    const auto budget = static_cast<std::int64_t>(seed % 90);
    const double least = least_loss(items, budget);
    const auto chosen = choose_within(items, budget);
    BOOST_REQUIRE(chosen.has_value() == std::isfinite(least));
    ++(chosen ? possible : impossible);
    if (!chosen) continue;
    const Sum sum = sum_of(items, *chosen);
    BOOST_TEST(sum.cost <= budget);
    BOOST_TEST(std::abs(sum.loss - least) <= kSums);
  }
  BOOST_TEST(possible > 100);
  BOOST_TEST(impossible > 5);
}

BOOST_AUTO_TEST_CASE(in_coarse_parts_the_budget_holds_and_little_is_lost) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Items items = random_items(seed);
    for (std::vector<Offer>& item : items) {
      for (Offer& choice : item) choice.cost = choice.cost * 1000 + static_cast<std::int64_t>(seed);
    }
    const std::int64_t budget = 60000;
    const auto exact = choose_within(items, budget), coarse = choose_within(items, budget, 64);
    BOOST_REQUIRE(exact.has_value() == coarse.has_value());
    if (!exact) continue;
    BOOST_TEST(sum_of(items, *coarse).cost <= budget);
    BOOST_TEST(sum_of(items, *exact).loss <= sum_of(items, *coarse).loss + kSums);
    // Six items rounded up by one part of 64 each: what the exact one does with a tenth less.
    BOOST_TEST(sum_of(items, *coarse).loss <= least_loss(items, budget * 9 / 10) + kSums);
  }
}

BOOST_AUTO_TEST_CASE(of_equal_losses_the_cheaper_and_then_the_first) {
  const Items items = {{{5, 1.0}, {3, 1.0}, {3, 1.0}}, {{2, 0.5}, {2, 0.5}}};
  const auto chosen = choose_within(items, 100);
  BOOST_REQUIRE(chosen.has_value());
  BOOST_TEST((*chosen == std::vector<std::size_t>{1, 0}));
  BOOST_TEST(!choose_within(items, 4).has_value());
  BOOST_TEST(choose_within(Items{}, 0)->empty());
  BOOST_TEST(!choose_within(Items{{}}, 10).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
