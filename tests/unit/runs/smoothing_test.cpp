// Smoothing: means over points and exponential ones, and what is no finite number between them.
#include "src/runs/smoothing.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <boost/test/unit_test.hpp>

namespace anemll {

BOOST_AUTO_TEST_SUITE(runs_smoothing)

BOOST_AUTO_TEST_CASE(words) {
  BOOST_TEST(parse_smoothing("20").points == 20);
  BOOST_TEST(parse_smoothing("0.9").factor == 0.9);
  BOOST_TEST(parse_smoothing("0").none());
  BOOST_TEST(parse_smoothing("1").none());
  for (const char* bad : {"", "x", "-1", "2.5", "nan", "1e12", "5x"})
    BOOST_CHECK_EXCEPTION(parse_smoothing(bad), Error,
                          [](const Error& e) { return e.code() == ExitCode::usage; });
}

BOOST_AUTO_TEST_CASE(a_mean_over_points) {
  const Series series = {{1, 4}, {2, 2}, {3, std::nan("")}, {4, 6}};
  const Series mean = smoothed(series, {2, 0});
  BOOST_TEST(mean[0].value == 4);
  BOOST_TEST(mean[1].value == 3);
  BOOST_TEST(std::isnan(mean[2].value));
  BOOST_TEST(mean[3].value == 4);  // of 2 and 6
  BOOST_TEST(mean[3].step == 4);
}

BOOST_AUTO_TEST_CASE(a_huge_value_leaves_no_trace_behind_its_window) {
  Series series;
  for (std::int64_t i = 0; i < 400; ++i)
    series.push_back({i, i == 90 ? 1e30 : static_cast<double>((i * 37) % 101)});
  for (const std::int64_t points : {2, 3, 7, 50}) {
    const Series mean = smoothed(series, {points, 0});
    for (std::int64_t i = 0; i < 400; ++i) {
      const std::int64_t first = std::max<std::int64_t>(0, i - points + 1);
      double sum = 0;
      for (std::int64_t k = first; k <= i; ++k) sum += series[static_cast<std::size_t>(k)].value;
      const double wanted = sum / static_cast<double>(i - first + 1);
      BOOST_TEST(std::abs(mean[static_cast<std::size_t>(i)].value - wanted) <= 1e-12 * wanted);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_exponential_mean_begins_at_the_first_value) {
  const Series mean = smoothed({{1, 4}, {2, 1}}, {0, 0.5});
  BOOST_TEST(mean[0].value == 4);
  // Weights 1/4 and 1/2, divided by their sum.
  BOOST_TEST(mean[1].value == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
