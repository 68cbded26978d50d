// Names and numbers that W&B and TensorBoard get of a run's events.
#include "src/train/internal/tracking_sinks.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

std::optional<double> value_in(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found = std::ranges::find(metrics, name, &Metric::name);
  return found == metrics.end() ? std::nullopt : std::optional(found->value);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tracked_metrics)

BOOST_AUTO_TEST_CASE(training_steps_have_the_references_names) {
  TrainRecord t;
  t.step = 20;
  t.loss = 0.5;
  t.lr = 1e-4;
  t.elapsed_s = 3;
  t.tokens_per_s = 100;
  t.hard_top1 = 0.25;
  const std::vector<Metric> metrics = metrics_of(t, false);
  BOOST_TEST((value_in(metrics, "train/step") == 20.0));
  BOOST_TEST((value_in(metrics, "train/loss") == 0.5));
  BOOST_TEST((value_in(metrics, "train/lr") == 1e-4));
  BOOST_TEST((value_in(metrics, "train/elapsed_sec") == 3.0));
  BOOST_TEST((value_in(metrics, "train/tokens_per_sec") == 100.0));
  BOOST_TEST(!value_in(metrics, "train/hard_top1"));  // of annealed runs alone
  BOOST_TEST((value_in(metrics_of(t, true), "train/hard_top1") == 0.25));
}

BOOST_AUTO_TEST_CASE(evaluations_tell_the_best_before_them) {
  EvaluationRecord e;
  e.step = 40;
  e.result.loss = 0.75;
  e.best = std::numeric_limits<double>::infinity();
  BOOST_TEST(!value_in(metrics_of(e), "eval/best_loss"));
  e.best = 1.5;
  e.result.holdout_kl = 0.125;
  const std::vector<Metric> metrics = metrics_of(e);
  BOOST_TEST((value_in(metrics, "train/step") == 40.0));
  BOOST_TEST((value_in(metrics, "eval/loss") == 0.75));
  BOOST_TEST((value_in(metrics, "eval/best_loss") == 1.5));
  BOOST_TEST((value_in(metrics, "eval/holdout_kl") == 0.125));
}

BOOST_AUTO_TEST_CASE(closing_figures_that_are_numbers) {
  const std::vector<Metric> metrics = summary_metrics(
      R"({"elapsed_s": 9, "initial_loss": 3, "final_loss": 1, "best_loss": 0.5, "files": ["a"]})");
  BOOST_TEST((value_in(metrics, "summary/time_sec") == 9.0));
  BOOST_TEST((value_in(metrics, "summary/initial_loss") == 3.0));
  BOOST_TEST((value_in(metrics, "summary/final_loss") == 1.0));
  BOOST_TEST((value_in(metrics, "summary/best_loss") == 0.5));
  BOOST_TEST((value_in(metrics, "summary/improvement") == 2.0));
  BOOST_TEST(metrics.size() == 5U);
  BOOST_TEST(summary_metrics(R"({"initial_loss": null, "final_loss": 1})").size() == 1U);
  BOOST_TEST(summary_metrics("no JSON").empty());
}

BOOST_AUTO_TEST_CASE(options_have_pythons_names) {
  const auto config =
      nlohmann::json::parse(tracked_config(R"({"batch-size": 8, "eval-text": null, "model-id": "x"})"));
  BOOST_TEST((config == nlohmann::json{{"batch_size", 8}, {"model_id", "x"}}));
}

BOOST_AUTO_TEST_SUITE_END()
