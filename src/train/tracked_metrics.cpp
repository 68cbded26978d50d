// Events of a run as names and numbers. Names of the Python reference come first, then those of our own.
#include "src/inspect/inspection.hpp"
#include "src/train/internal/tracking_sinks.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

void add_divergence(std::vector<Metric>& metrics, const std::string& name,
                    const std::optional<DivergenceSummary>& d) {
  if (!d) return;
  metrics.push_back({"eval/" + name + "_kl_mean", d->mean});
  metrics.push_back({"eval/" + name + "_kl_median", d->median});
  metrics.push_back({"eval/" + name + "_kl_p99", d->p99});
  metrics.push_back({"eval/" + name + "_top1", d->top1});
}

}  // namespace

std::vector<Metric> metrics_of(const TrainRecord& t, bool annealing) {
  std::vector<Metric> metrics = {{"train/step", static_cast<double>(t.step)},
                                 {"train/loss", t.loss},
                                 {"train/lr", t.lr},
                                 {"train/elapsed_sec", t.elapsed_s},
                                 {"train/tokens_per_sec", t.tokens_per_s}};
  if (annealing) metrics.push_back({"train/hard_top1", t.hard_top1});
  metrics.push_back({"train/kl", t.kl});
  metrics.push_back({"train/ce", t.ce});
  metrics.push_back({"train/grad_norm", t.grad_norm});
  metrics.push_back({"train/data_wait_sec", t.data_wait_s});
  metrics.push_back({"train/skipped", t.skipped ? 1.0 : 0.0});
  return metrics;
}

std::vector<Metric> metrics_of(const EvaluationRecord& e) {
  const EvaluationResult& r = e.result;
  std::vector<Metric> metrics = {{"train/step", static_cast<double>(e.step)}, {"eval/loss", r.loss}};
  // The best before this one, as the reference; at the start there is none.
  if (std::isfinite(e.best)) metrics.push_back({"eval/best_loss", e.best});
  if (r.holdout_loss) metrics.push_back({"eval/holdout_loss", *r.holdout_loss});
  if (r.holdout_kl) metrics.push_back({"eval/holdout_kl", *r.holdout_kl});
  add_divergence(metrics, "train", r.train);
  add_divergence(metrics, "holdout", r.holdout);
  add_divergence(metrics, "text", r.text);
  if (r.text) {
    metrics.push_back({"eval/text_student_ppl", std::exp(r.text->student_nll)});
    metrics.push_back({"eval/text_teacher_ppl", std::exp(r.text->teacher_nll)});
  }
  return metrics;
}

std::vector<Metric> metrics_of(const LayersRecord& record) {
  std::vector<Metric> metrics = {{"train/step", static_cast<double>(record.step)}};
  for (const LayerStatistics& layer : record.inspection.layers) {
    metrics.push_back({"layers/" + layer.name + "/weight_error", layer.weight.relative()});
    if (layer.output) metrics.push_back({"layers/" + layer.name + "/output_error", layer.output->relative()});
  }
  return metrics;
}

std::vector<Metric> summary_metrics(const std::string& text) {
  const auto summary = nlohmann::json::parse(text, nullptr, false);
  std::vector<Metric> metrics;
  if (!summary.is_object()) return metrics;
  for (const auto& [key, value] : summary.items()) {
    if (value.is_number())
      metrics.push_back({"summary/" + (key == "elapsed_s" ? "time_sec" : key), value.get<double>()});
  }
  const auto initial = summary.find("initial_loss"), last = summary.find("final_loss");
  if (initial != summary.end() && last != summary.end() && initial->is_number() && last->is_number())
    metrics.push_back({"summary/improvement", initial->get<double>() - last->get<double>()});
  return metrics;
}

std::string tracked_config(const std::string& options_json) {
  const auto options = nlohmann::json::parse(options_json, nullptr, false);
  nlohmann::json config = nlohmann::json::object();
  if (!options.is_object()) return config.dump();
  for (const auto& [name, value] : options.items()) {
    std::string key = name;
    std::ranges::replace(key, '-', '_');
    if (!value.is_null()) config[key] = value;
  }
  return config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace anemll
