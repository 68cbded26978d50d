// The options of anemll_plot: words, lists of metrics, the flags of the Python script, what has no effect.
#include "src/tools/plot_options.hpp"
#include "tests/support/choice_checks.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

using Words = std::vector<std::string>;

const ProgramTable<PlotOptions> kProgram{make_plot_table, {}};

PlotOptions parsed(const Words& words) {
  PlotOptions options;
  OptionTable table = make_plot_table(options);
  kProgram.parse(table, words);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plots_options)

BOOST_AUTO_TEST_CASE(every_choice_keeps_its_word) {
  const std::set<std::string> checked = {check_choice(kProgram, "source", &PlotOptions::source),
                                         check_choice(kProgram, "format", &PlotOptions::format)};
  PlotOptions options;
  const std::set<std::string> all = choices_in(make_plot_table(options));
  BOOST_TEST(checked == all, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lists) {
  BOOST_TEST((parsed({}).all_metrics() == Words{"loss"}));
  BOOST_TEST((parsed({"--metric", "a,,b", "--metric", "c,"}).all_metrics() == Words{"a", "b", "c"}));
  BOOST_TEST((parsed({"x", "y", "--run_dir", "z"}).all_runs() == Words{"x", "y", "z"}));
}

BOOST_AUTO_TEST_CASE(the_flags_of_the_python_script) {
  const PlotOptions options =
      parsed({"--run_dir", "runs/a", "--source", "trainlog", "--save", "loss.png", "--no_show",
              "--ygrid_step", "0.1", "--y_major_step", "1", "--y_minor_step", "0.5"});
  BOOST_TEST(*options.output == "loss.png");
  BOOST_TEST((options.source == LogSource::trainlog && options.no_show));
  BOOST_TEST((options.grid.lines == 0.1 && options.grid.major == 1 && options.grid.minor == 0.5));
}

BOOST_AUTO_TEST_CASE(what_is_not_read_is_told) {
  PlotOptions options;
  const Words names = make_plot_table(options).names();
  for (const auto& row : plot_effects())
    BOOST_TEST((std::ranges::find(names, row.option) != names.end()), row.option);
  const auto told = [](const PlotOptions& o) {
    std::set<std::string> all;
    for (const UnreadOption& one : unread_options(plot_effects(), o, [](const std::string&) { return true; }))
      all.insert(one.option);
    return all;
  };
  BOOST_TEST(
      (told(options) == std::set<std::string>{"format", "ygrid_step", "y_major_step", "y_minor_step"}));
  options.output = "x.png";
  BOOST_TEST((told(options) == std::set<std::string>{"ascii", "width", "height"}));
  options.list = true;
  BOOST_TEST((told(options).contains("metric") && told(options).contains("output")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
