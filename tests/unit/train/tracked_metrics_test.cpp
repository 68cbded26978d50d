// Names and numbers that W&B and TensorBoard get of a run's events: all that metrics.jsonl has.
#include "src/inspect/inspection.hpp"
#include "src/train/internal/record_figures.hpp"
#include "src/train/internal/tracking_sinks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
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

DivergenceSummary divergence(double mean, double top1, std::int64_t positions) {
  DivergenceSummary d;
  d.mean = mean;
  d.median = mean / 2;
  d.p99 = 2 * mean;
  d.top1 = top1;
  d.positions = positions;
  d.teacher_nll = 1;
  d.student_nll = 2;
  return d;
}

/// One that has everything.
EvaluationRecord full_evaluation() {
  EvaluationRecord e;
  e.step = 40;
  e.result.loss = 0.75;
  e.result.holdout_loss = 0.875;
  e.result.train = divergence(0.125, 0.5, 10);
  e.result.holdout = divergence(0.5, 0.25, 60);
  e.result.text = divergence(0.25, 0.75, 30);
  e.result.sources = {{"wiki", divergence(0.5, 0.25, 20)}, {"code", divergence(0.25, 0.5, 40)}};
  e.result.holdout_kl = 0.375;
  e.best = 0.5;
  e.lr = 1e-4;
  e.elapsed_s = 9;
  e.final_evaluation = e.new_best = true;
  e.samples = {{"Hi", "a\nb"}};
  return e;
}

/// Every number below `value`, by its name for the viewers.
void numbers_in(const nlohmann::json& value, const std::string& name, std::map<std::string, double>& out) {
  if (value.is_number()) out[name] = value.get<double>();
  if (value.is_boolean()) out[name] = value.get<bool>() ? 1 : 0;
  if (value.is_object()) {
    for (const auto& [key, part] : value.items()) numbers_in(part, name + "/" + key, out);
  }
  if (!value.is_array()) return;
  for (const auto& row : value) {
    if (!row.is_object()) continue;
    for (const char* names : {"name", "layer", "block"}) {
      if (!row.contains(names)) continue;
      auto rest = row;
      rest.erase(names);
      numbers_in(rest,
                 name + "/" + (row[names].is_string() ? row[names].get<std::string>() : row[names].dump()),
                 out);
    }
  }
}

/// Each number of the line is one of the metrics.
void check_all(const JsonLine& line, const std::vector<Metric>& metrics) {
  auto object = nlohmann::json::parse(line.text());
  const std::string kind = object["kind"];
  const std::map<std::string, std::string> renamed = {{kind + "/step", "train/step"},
                                                      {kind + "/elapsed_s", kind + "/elapsed_sec"},
                                                      {kind + "/tokens_per_s", kind + "/tokens_per_sec"},
                                                      {kind + "/data_wait_s", kind + "/data_wait_sec"},
                                                      {kind + "/best_loss", kind + "/lowest_loss"}};
  if (const auto layers = object.find("layers"); layers != object.end()) {
    const nlohmann::json rows = *layers;
    object.erase("layers");
    object[""] = rows;
  }
  std::map<std::string, double> numbers;
  numbers_in(object, kind, numbers);
  BOOST_TEST(numbers.size() > 5U);
  for (const auto& [said, value] : numbers) {
    const auto other = renamed.find(said);
    std::string name = other == renamed.end() ? said : other->second;
    if (const std::size_t at = name.find("//"); at != std::string::npos) name.erase(at, 1);
    const std::optional<double> there = value_in(metrics, name);
    BOOST_TEST((there && std::abs(*there - value) <= 1e-8 * std::abs(value)), name);
  }
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

BOOST_AUTO_TEST_CASE(closing_figures_in_parts) {
  const std::vector<Metric> metrics =
      summary_metrics(R"({"time_s": {"step": 1.5, "files": 2}, "whole": true})");
  BOOST_TEST((value_in(metrics, "summary/time_s/step") == 1.5));
  BOOST_TEST((value_in(metrics, "summary/time_s/files") == 2.0));
  BOOST_TEST((value_in(metrics, "summary/whole") == 1.0));
}

// A number that metrics.jsonl gets is one that the viewers get.
BOOST_AUTO_TEST_CASE(every_number_of_a_training_line) {
  const TrainRecord t = {20, 0.5, 0.25, 0.75, 1e-4, 2e-4, 3, 0.125, 100, 4, 5, 6, true};
  check_all(json_of(t), metrics_of(t, true));
}

BOOST_AUTO_TEST_CASE(every_number_of_an_evaluation) {
  const EvaluationRecord e = full_evaluation();
  const std::vector<Metric> metrics = metrics_of(e);
  check_all(json_of(e), metrics);
  BOOST_TEST((value_in(metrics, "eval/holdout_sources/wiki/kl_mean") == 0.5));
  BOOST_TEST((value_in(metrics, "eval/holdout_sources/code/positions") == 40.0));
  BOOST_TEST((value_in(metrics, "eval/new_best") == 1.0));
  BOOST_TEST((value_in(metrics, "eval/text_positions") == 30.0));
  BOOST_TEST((value_in(metrics, "eval/best_loss") == 0.5));    // before this one
  BOOST_TEST((value_in(metrics, "eval/lowest_loss") == 0.5));  // with it
  BOOST_TEST(value_in(metrics, "eval/text_student_ppl").has_value());
}

BOOST_AUTO_TEST_CASE(every_number_of_a_look_at_the_layers) {
  Inspection inspection;
  LayerStatistics& layer = inspection.layers.emplace_back();
  layer.name = "model.layers.0.mlp.up_proj";
  layer.weight = {1, 4, 16, 2};
  layer.output = ErrorSums{2, 1, 4, 2};
  layer.histogram = {3, 0, 1, 0};
  layer.negative_scales = 0.25;
  layer.a.value = 1.5;
  inspection.blocks.push_back({3, {1, 4, 16, 2}, {1, 1, 4, 2}});
  const LayersRecord record{40, 7.5, inspection};
  const std::vector<Metric> metrics = metrics_of(record);
  check_all(json_of(record), metrics);
  BOOST_TEST((value_in(metrics, "layers/model.layers.0.mlp.up_proj/weight_error") == 0.5));
  BOOST_TEST((value_in(metrics, "layers/model.layers.0.mlp.up_proj/output_error") == 0.5));
  BOOST_TEST((value_in(metrics, "layers/model.layers.0.mlp.up_proj/entries_used") == 2.0));
  BOOST_TEST((value_in(metrics, "layers/blocks/3/stream_error") == 0.5));
}

BOOST_AUTO_TEST_CASE(the_lines_are_as_they_are) {
  EvaluationRecord e = full_evaluation();
  e.result.train = e.result.holdout = e.result.text = std::nullopt;
  BOOST_TEST(json_of(e).text() ==
             R"({"kind":"eval","step":40,"loss":0.75,"best_loss":0.5,"next_lr":0.0001,"elapsed_s":9,)"
             R"("final":true,"holdout_loss":0.875,"holdout_kl":0.375,)"
             R"("holdout_sources":[{"name":"wiki","kl_mean":0.5,"top1":0.25,"positions":20},)"
             R"({"name":"code","kl_mean":0.25,"top1":0.5,"positions":40}],"new_best":true,)"
             R"("samples":[{"prompt":"Hi","answer":"a\nb"}]})");
  const TrainRecord t = {20, 0.5, 0.25, 0.75, 1e-4, 2e-4, std::nan(""), 0.125, 100, 4, 5, 6, true};
  BOOST_TEST(
      json_of(t).text() ==
      R"({"kind":"train","step":20,"loss":0.5,"kl":0.25,"ce":0.75,"lr":0.0001,"next_lr":0.0002,)"
      R"("grad_norm":null,"hard_top1":0.125,"tokens_per_s":100,"data_wait_s":4,"elapsed_s":6,"skipped":true})");
  BOOST_TEST(std::isnan(value_in(metrics_of(t, false), "train/grad_norm").value_or(0)));
}

BOOST_AUTO_TEST_SUITE_END()
