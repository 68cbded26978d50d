// The closing figures of a run as W&B and TensorBoard get them.
#include "src/train/internal/tracking_sinks.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

/// Every number below `value`, under NAME/KEY.
void add_numbers(std::vector<Metric>& metrics, const std::string& name, const nlohmann::json& value) {
  if (value.is_number()) {
    metrics.push_back({name, value.get<double>()});
  } else if (value.is_boolean()) {
    metrics.push_back({name, value.get<bool>() ? 1.0 : 0.0});
  } else if (value.is_object()) {
    for (const auto& [key, part] : value.items()) add_numbers(metrics, name + "/" + key, part);
  }
}

}  // namespace

std::vector<Metric> summary_metrics(const std::string& text) {
  const auto summary = nlohmann::json::parse(text, nullptr, false);
  std::vector<Metric> metrics;
  if (!summary.is_object()) return metrics;
  for (const auto& [key, value] : summary.items())
    add_numbers(metrics, "summary/" + (key == "elapsed_s" ? "time_sec" : key), value);
  const auto initial = summary.find("initial_loss"), last = summary.find("final_loss");
  if (initial != summary.end() && last != summary.end() && initial->is_number() && last->is_number())
    metrics.push_back({"summary/improvement", initial->get<double>() - last->get<double>()});
  return metrics;
}

}  // namespace anemll
