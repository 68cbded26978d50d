// Golden values of the reference's schedule (warm-up 100, 1000 steps, ratio 0.1) and its off-by-one.
#include "src/train/internal/schedule.hpp"

#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_schedule)

using anemll::annealed_weight;
using anemll::lr_multiplier;
using anemll::ScheduleOptions;

namespace {
/// The goldens are printed with nine decimals.
constexpr double kPrinted = 6e-10;
constexpr double kExact = 1e-15;
}  // namespace

BOOST_AUTO_TEST_CASE(matches_the_golden_values) {
  const ScheduleOptions options{100, 1000, true, 0.1};
  const std::vector<std::pair<std::int64_t, double>> golden{
      {0, 0}, {1, .01}, {99, .99}, {100, 1}, {101, .999997258}, {550, .55}, {999, .100002742}, {1000, .1}};
  for (const auto& [completed, multiplier] : golden) {
    BOOST_TEST(std::abs(lr_multiplier(options, completed) - multiplier) < kPrinted);
  }
}

BOOST_AUTO_TEST_CASE(short_run_with_warm_up) {
  // Evaluated by the formula in Python's doubles.
  const ScheduleOptions options{5, 40, true, 0.1};
  BOOST_TEST(lr_multiplier(options, 0) == 0.0);
  BOOST_TEST(std::abs(lr_multiplier(options, 4) - 0.8) < kExact);
  BOOST_TEST(lr_multiplier(options, 5) == 1.0);
  BOOST_TEST(std::abs(lr_multiplier(options, 22) - 0.5701891736577318) < kExact);
  BOOST_TEST(std::abs(lr_multiplier(options, 39) - 0.10181156770214242) < kExact);
}

BOOST_AUTO_TEST_CASE(constant_after_the_warm_up) {
  const ScheduleOptions options{4, 10, false, 0.1};
  BOOST_TEST(lr_multiplier(options, 1) == 0.25);
  for (const std::int64_t completed : {4, 5, 9, 10}) BOOST_TEST(lr_multiplier(options, completed) == 1.0);
  BOOST_TEST(lr_multiplier({0, 10, false, 0.1}, 0) == 1.0);
}

BOOST_AUTO_TEST_CASE(cosine_without_warm_up_starts_at_the_peak) {
  const ScheduleOptions options{0, 10, true, 0.0};
  BOOST_TEST(lr_multiplier(options, 0) == 1.0);
  BOOST_TEST(std::abs(lr_multiplier(options, 3) - 0.7938926261462366) < kExact);
}

BOOST_AUTO_TEST_CASE(stays_at_the_bottom_past_the_end) {
  const ScheduleOptions options{100, 1000, true, 0.1};
  BOOST_TEST(std::abs(lr_multiplier(options, 1500) - 0.1) < kExact);
}

BOOST_AUTO_TEST_CASE(warm_up_as_long_as_the_run) {
  BOOST_TEST(lr_multiplier({10, 10, true, 0.1}, 9) == 0.9);
  BOOST_TEST(lr_multiplier({10, 10, true, 0.1}, 10) == 1.0);
}

BOOST_AUTO_TEST_CASE(hard_label_weight_anneals_linearly) {
  BOOST_TEST(annealed_weight(0.2, std::nullopt, 500, 1000) == 0.2);
  BOOST_TEST(annealed_weight(0.2, 0.0, 0, 1000) == 0.2);
  BOOST_TEST(std::abs(annealed_weight(0.2, 0.05, 250, 1000) - 0.1625) < kExact);
  BOOST_TEST(std::abs(annealed_weight(0.2, 0.05, 1000, 1000) - 0.05) < kExact);
  BOOST_TEST(std::abs(annealed_weight(0.2, 0.05, 2000, 1000) - 0.05) < kExact);
}

BOOST_AUTO_TEST_SUITE_END()
