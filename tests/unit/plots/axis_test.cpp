// The ticks of an axis, however near its ends are.
#include "src/plots/axis.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(plots_axis)

// The means of a constant rate over windows of some lengths.
BOOST_AUTO_TEST_CASE(ends_that_differ_in_their_last_digit_are_one_value) {
  constexpr double kMost = std::numeric_limits<double>::infinity();
  for (const double value : {1e-4, -1e-4, 5e-5, 0.1, 3.0, 1e300}) {
    for (const bool logarithmic : {false, true}) {
      if (logarithmic && value < 0) continue;
      const Axis axis = axis_of({value, std::nextafter(value, kMost)}, logarithmic);
      const std::vector<Axis::Tick> ticks = axis.ticks(6);
      BOOST_TEST((!ticks.empty() && ticks.size() < 20U), value << ": " << ticks.size());
      BOOST_TEST((axis.place(value) > 0.2 && axis.place(value) < 0.8), value << ": " << axis.place(value));
    }
  }
}

BOOST_AUTO_TEST_CASE(ticks_are_round_and_lie_within) {
  const std::vector<Axis::Tick> ticks = axis_of({0.03, 0.97}, false).ticks(5);
  BOOST_TEST_REQUIRE(ticks.size() == 4U);
  BOOST_TEST(ticks.front().label == "0.2");
  BOOST_TEST(ticks.back().label == "0.8");
}

BOOST_AUTO_TEST_SUITE_END()
