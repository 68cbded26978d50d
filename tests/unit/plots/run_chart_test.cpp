// Charts of runs: which lines a panel has, their names and units; the list of metrics.
#include "src/plots/run_chart.hpp"

#include "anemll/core/error.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

RunRecord run_named(const std::string& name, double loss) {
  RunRecord run;
  run.name = name;
  run.file = name + "/metrics.jsonl";
  run.metrics.add("eval", 0, {{"loss", loss}, {"holdout_kl", loss}});
  run.metrics.add("train", 10, {{"loss", loss}, {"tokens_per_s", 5}});
  run.metrics.add("train", 20, {{"loss", loss / 2}, {"tokens_per_s", 6}});
  return run;
}

std::vector<std::string> labels(const ChartPanel& panel) {
  std::vector<std::string> all;
  for (const ChartLine& line : panel.lines) all.push_back(line.label);
  return all;
}

using Labels = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(plots_run_chart)

BOOST_AUTO_TEST_CASE(one_run_names_metrics_and_several_name_runs) {
  const std::vector<RunRecord> one = {run_named("a", 2)};
  const Chart single = chart_of_runs(one, {"loss", "holdout_kl"}, {});
  BOOST_TEST(single.title == "a");
  BOOST_REQUIRE(single.panels.size() == 2U);
  BOOST_TEST((labels(single.panels[0]) == Labels{"eval/loss", "train/loss"}));
  BOOST_TEST((single.panels[0].lines[0].marked && !single.panels[0].lines[1].marked));
  BOOST_TEST(single.panels[0].lines[0].color != single.panels[0].lines[1].color);
  BOOST_TEST(single.panels[1].title == "eval/holdout_kl (nats)");

  const std::vector<RunRecord> two = {run_named("a", 2), run_named("b\n", 3)};
  const Chart both = chart_of_runs(two, {"loss", "tokens_per_s"}, {});
  BOOST_TEST((labels(both.panels[0]) ==
              Labels{"a  eval/loss", "a  train/loss", "b\\x0A  eval/loss", "b\\x0A  train/loss"}));
  BOOST_TEST((labels(both.panels[1]) == Labels{"a", "b\\x0A"}));
  BOOST_TEST(both.panels[0].lines[0].color == both.panels[0].lines[1].color);
  BOOST_TEST(both.panels[1].title == "train/tokens_per_s (tokens/s)");
  BOOST_TEST(both.title.empty());
}

BOOST_AUTO_TEST_CASE(steps_are_smoothed_and_evaluations_are_not) {
  const std::vector<RunRecord> one = {run_named("a", 2)};
  const ChartPanel panel = chart_of_runs(one, {"loss"}, {2, 0}).panels[0];
  BOOST_REQUIRE(panel.lines.size() == 3U);
  BOOST_TEST(panel.lines[1].faint);
  BOOST_TEST(panel.lines[1].points[1].y == 1);
  BOOST_TEST(panel.lines[2].points[1].y == 1.5);
  BOOST_TEST(panel.lines[2].label == "train/loss  (smoothed)");
  BOOST_TEST(panel.lines[0].label == "eval/loss");
}

BOOST_AUTO_TEST_CASE(a_metric_of_no_run_is_refused_with_the_nearest) {
  const std::vector<RunRecord> one = {run_named("a", 2)};
  BOOST_CHECK_EXCEPTION(chart_of_runs(one, {"holdout_k"}, {}), Error, [](const Error& e) {
    return e.code() == ExitCode::usage && e.hint().find("'eval/holdout_kl'") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(the_list_has_one_row_for_many_layers) {
  std::vector<RunRecord> one = {run_named("a", 2)};
  RunMetrics::Row row;
  for (int i = 0; i < 9; ++i) row.emplace_back("layer" + std::to_string(i) + "/output_error", 1);
  one[0].metrics.add("layers", 20, row);
  const std::string list = list_metrics(one);
  BOOST_TEST(list.find("layers/*/output_error") != std::string::npos, list);
  BOOST_TEST(list.find("9 of them") != std::string::npos, list);
  BOOST_TEST(list.find("layer3") == std::string::npos, list);
  BOOST_TEST(list.find("train/tokens_per_s") != std::string::npos, list);
  BOOST_TEST(list.find("2 points  steps 10 to 20  last 6 tokens/s") != std::string::npos, list);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
