#include "src/plots/run_chart.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace anemll {
namespace {

constexpr std::size_t kFew = 8;  // names with one pattern that are listed one by one
constexpr std::size_t kWidest = 60;

bool is_evaluation(const std::string& metric) {
  return metric.starts_with("eval/");
}

std::vector<ChartPoint> points_of(const Series& series) {
  std::vector<ChartPoint> points;
  points.reserve(series.size());
  for (const SeriesPoint& point : series) points.push_back({static_cast<double>(point.step), point.value});
  return points;
}

std::string key_of(const std::string& metric) {
  const std::size_t slash = metric.rfind('/');
  return slash == std::string::npos ? metric : metric.substr(slash + 1);
}

/// Letters that the two have in common at their start and end: enough to guess what was meant.
std::size_t likeness(std::string_view a, std::string_view b) {
  const auto front = std::ranges::mismatch(a, b).in1 - a.begin();
  const auto back = std::ranges::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).in1 - a.rbegin();
  return static_cast<std::size_t>(std::max(front, back));
}

[[noreturn]] void no_metric(std::span<const RunRecord> runs, const std::string& wanted) {
  std::string nearest;
  std::size_t best = 0;
  for (const RunRecord& run : runs) {
    for (const std::string& name : run.metrics.names()) {
      const std::size_t like = std::max(likeness(name, wanted), likeness(key_of(name), wanted));
      if (like <= best) continue;
      best = like;
      nearest = name;
    }
  }
  const std::string guess = best >= 2 ? "did you mean '" + nearest + "'? " : "";
  throw_usage("no run has the metric '" + printable(wanted, 80) + "'", "--metric",
              guess + "--list names all");
}

ChartPanel panel_of(std::span<const RunRecord> runs, const std::string& wanted, const Smoothing& smoothing) {
  std::vector<std::string> metrics;  // in the order of the first run that has them
  for (const RunRecord& run : runs) {
    for (const std::string& name : run.metrics.matching(wanted)) {
      if (std::ranges::find(metrics, name) == metrics.end()) metrics.push_back(name);
    }
  }
  if (metrics.empty()) no_metric(runs, wanted);
  ChartPanel panel;
  const std::string unit = unit_of_metric(metrics.front());
  panel.title = metrics.size() == 1 ? metrics.front() : wanted;
  if (!unit.empty()) panel.title += " (" + unit + ")";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    bool any = false;
    for (const std::string& metric : metrics) {
      const Series series = runs[i].metrics.series(metric);
      if (series.empty()) continue;
      any = true;
      ChartLine line;
      line.color = runs.size() == 1 ? static_cast<std::size_t>(&metric - metrics.data()) : i;
      line.marked = is_evaluation(metric);
      line.label = runs.size() == 1      ? metric
                   : metrics.size() == 1 ? runs[i].name
                                         : runs[i].name + "  " + metric;
      const bool smooth = !smoothing.none() && !line.marked;
      if (smooth) {
        panel.lines.push_back({"", points_of(series), line.color, false, true});
        line.label += "  (smoothed)";
      }
      line.points = points_of(smooth ? smoothed(series, smoothing) : series);
      panel.lines.push_back(std::move(line));
    }
    if (!any) log_warning(printable(runs[i].name) + " has no metric '" + printable(wanted) + "'");
  }
  return panel;
}

}  // namespace

std::string unit_of_metric(const std::string& name) {
  const std::string key = key_of(name);
  if (key.ends_with("tokens_per_s")) return "tokens/s";
  if (key.ends_with("_s")) return "s";
  if (key.ends_with("_bytes")) return "bytes";
  if (key == "kl" || key == "ce" || key.ends_with("_kl") || key.find("kl_") != std::string::npos)
    return "nats";
  return "";
}

Chart chart_of_runs(std::span<const RunRecord> runs, const std::vector<std::string>& wanted,
                    const Smoothing& smoothing) {
  Chart chart;
  chart.x_label = "step";
  if (runs.size() == 1) chart.title = printable(runs[0].name);
  for (const std::string& word : wanted) chart.panels.push_back(panel_of(runs, word, smoothing));
  for (ChartPanel& panel : chart.panels) {
    panel.title = printable(panel.title);
    for (ChartLine& line : panel.lines) line.label = printable(line.label);
  }
  return chart;
}

std::string list_metrics(std::span<const RunRecord> runs) {
  std::string out;
  for (const RunRecord& run : runs) {
    if (!out.empty()) out += '\n';
    out += printable(run.name) + "  (" + printable(run.file.string()) + ")\n";
    // Of the metrics of many layers one row is enough: their names have the layer in the middle.
    std::map<std::string, std::size_t> many;
    const auto pattern = [](const std::string& name) {
      const std::size_t first = name.find('/'), last = name.rfind('/');
      return first == last ? name : name.substr(0, first + 1) + "*" + name.substr(last);
    };
    for (const std::string& name : run.metrics.names()) ++many[pattern(name)];
    std::set<std::string> told;
    std::size_t width = 0;
    for (const std::string& name : run.metrics.names())
      width =
          std::max(width, std::min(many[pattern(name)] > kFew ? pattern(name).size() : name.size(), kWidest));
    for (const std::string& name : run.metrics.names()) {
      const std::size_t count = many[pattern(name)];
      const std::string shown = count > kFew ? pattern(name) : name;
      if (!told.insert(shown).second) continue;
      const Series series = run.metrics.series(name);
      const std::string figures =
          count > kFew ? strf("%zu of them", count)
                       : strf("last %.6g%s%s", series.back().value, unit_of_metric(name).empty() ? "" : " ",
                              unit_of_metric(name).c_str());
      out += strf("  %-*s %6zu point%s  steps %lld to %lld  %s\n", static_cast<int>(width),
                  printable(shown).c_str(), series.size(), series.size() == 1 ? " " : "s",
                  static_cast<long long>(series.front().step), static_cast<long long>(series.back().step),
                  figures.c_str());
    }
  }
  return out;
}

}  // namespace anemll
