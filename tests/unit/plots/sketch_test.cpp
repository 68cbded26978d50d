// Charts in characters: where dots and marks lie, what axes and legends say, how wide lines are.
#include "src/plots/sketch.hpp"

#include "src/plots/axis.hpp"

#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

Chart chart_of(std::vector<ChartLine> lines) {
  Chart chart;
  chart.x_label = "step";
  chart.panels.push_back({"loss", std::move(lines)});
  return chart;
}

std::string labels(const Axis& axis, std::size_t wanted) {
  std::string all;
  for (const Axis::Tick& tick : axis.ticks(wanted)) all += (all.empty() ? "" : " ") + tick.label;
  return all;
}

std::size_t width_of(const std::string& line) {
  std::size_t n = 0;
  for (const char c : line) n += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
  return n;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plots_sketch)

BOOST_AUTO_TEST_CASE(a_falling_line_in_ascii) {
  const Chart chart = chart_of({{"run", {{0, 3}, {10, 2}, {20, 1}}}});
  // The field keeps 16 columns where the width leaves less.
  const std::string drawn = sketch(chart, {10, 5, false, false});
  const std::vector<std::string> lines = lines_of(drawn);
  BOOST_REQUIRE(lines.size() == 9U);
  BOOST_TEST(lines[0] == "loss");
  BOOST_TEST(lines[1].starts_with("3 +*"));
  BOOST_TEST(lines[3].starts_with("2 +"));
  BOOST_TEST(lines[5].starts_with("1 +"));
  BOOST_TEST(lines[5].ends_with("*"));
  BOOST_TEST(lines[7].find("0") != std::string::npos);
  BOOST_TEST(lines[8] == "   * run, last 1 at 20");
}

BOOST_AUTO_TEST_CASE(braille_has_eight_dots_a_cell) {
  const Chart chart = chart_of({{"run", {{0, 0}, {1, 1}}}});
  const std::vector<std::string> lines = lines_of(sketch(chart, {40, 2, true, false}));
  // The left end is the lowest dot of the first cell of the lower line, U+2840 among others.
  BOOST_TEST(lines[1].find("\u2502") == std::string::npos);  // both lines have a number
  BOOST_TEST(lines[1].starts_with("1.0 \u2524"));
  BOOST_TEST(lines[2].find("\u28c0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(lines_without_colours_have_marks) {
  const Chart chart = chart_of({{"a", {{0, 1}, {9, 1}}}, {"b", {{0, 2}, {9, 2}}}});
  const std::string plain = sketch(chart, {60, 6, true, false});
  BOOST_TEST(plain.find("***") != std::string::npos);
  BOOST_TEST(plain.find("+++") != std::string::npos);
  BOOST_TEST(plain.find("* a, last 1 at 9") != std::string::npos);
  const std::string colored = sketch(chart, {60, 6, true, true});
  BOOST_TEST(colored.find("***") == std::string::npos);
  BOOST_TEST(colored.find("\x1b[38;5;") != std::string::npos);
  for (const std::string& line : lines_of(plain)) BOOST_TEST(width_of(line) <= 60U, line);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_shown_is_left_out) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Chart chart = chart_of({{"gap", {{1, 1}, {2, nan}, {3, 100}}}, {"none", {{1, nan}}}});
  chart.log_y = true;
  chart.log_x = true;
  chart.panels[0].lines[0].points.push_back({0, -5});
  const std::string text = sketch(chart, {60, 6, false, false});
  BOOST_TEST(text.find("100 +") != std::string::npos, text);
  BOOST_TEST(text.find("* gap, last -5 at 0") != std::string::npos, text);
  BOOST_TEST(text.find("none, no finite value") != std::string::npos, text);
  // One mark at each end: nothing joins them over the gap.
  std::size_t marks = 0;
  for (const std::string& line : lines_of(text.substr(0, text.find("gap")))) {
    for (const char c : line) marks += c == '*' ? 1U : 0U;
  }
  BOOST_TEST(marks == 3U, text);  // and that of the legend
}

BOOST_AUTO_TEST_CASE(nothing_at_all_is_a_field) {
  const std::string text = sketch(chart_of({{"empty", {}}}), {60, 6, false, false});
  BOOST_TEST(text.find("empty, no finite value") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(axes_have_round_numbers) {
  BOOST_TEST(labels({0, 1, false}, 5) == "0 0.2 0.4 0.6 0.8 1.0");
  BOOST_TEST(labels({0.093, 0.27, false}, 4) == "0.10 0.15 0.20 0.25");
  BOOST_TEST(labels({0, 375, false}, 4) == "0 100 200 300");
  BOOST_TEST(labels({1e-5, 2e-4, false}, 4) == "5e-05 1e-04 1.5e-04 2e-04");
  BOOST_TEST(labels({1e-3, 10, true}, 4) == "0.001 0.01 0.1 1 10");
  BOOST_TEST(labels({0.9, 11, true}, 9) == "1 2 5 10");
  BOOST_TEST(labels({3, 3, false}, 4) == "2.9 3.0 3.1");
  BOOST_TEST(Axis(1, 100, true).place(10) == 0.5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(!Axis(1, 100, true).shows(0));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
