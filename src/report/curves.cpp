// Curves of trainings, first and best evaluations: see sections.hpp.
#include "anemll/core/log.hpp"
#include "src/report/internal/sections.hpp"
#include "src/runs/smoothing.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace anemll {
namespace {

constexpr std::size_t kSmoothFrom = 60;  // points of a curve that is told with its mean
constexpr std::size_t kMeans = 30;       // stretches over which the mean is taken
constexpr double kLogFrom = 10;          // highest over lowest value from which the axis is logarithmic
constexpr std::size_t kMostLines = 12;   // of a panel of sources
constexpr const char* kLast = "last";    // of a panel of one metric, whose title names it

std::vector<ChartPoint> points_of(const Series& series) {
  std::vector<ChartPoint> points;
  for (const SeriesPoint& point : series) points.push_back({static_cast<double>(point.step), point.value});
  return points;
}

bool is_wide(const ChartPanel& panel) {
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (const ChartLine& line : panel.lines) {
    for (const ChartPoint& point : line.points) {
      if (!std::isfinite(point.y)) continue;
      if (point.y <= 0) return false;
      low = std::min(low, point.y);
      high = std::max(high, point.y);
    }
  }
  return high > kLogFrom * low;
}

struct Metric {
  std::string name;    ///< or a pattern
  std::string label;   ///< empty: what the * of the pattern stands for
  bool exact = false;  ///< no noise, which a mean would take away
};

std::string source_in(const std::string& metric) {
  const std::size_t first = metric.find('/', metric.find('/') + 1), last = metric.rfind('/');
  return first < last ? metric.substr(first + 1, last - first - 1) : metric;
}

/// Lines of all trainings that have one of the metrics.
std::optional<CurvesFigure> figure_of(const Findings& found, const std::string& title,
                                      const std::vector<Metric>& metrics, bool shares) {
  CurvesFigure figure;
  figure.panel.title = title;
  figure.x_label = "step";
  std::size_t colour = 0;
  for (const FoundTraining& training : found.trainings) {
    const RunMetrics& all = training.record.metrics;
    for (const Metric& metric : metrics) {
      for (const std::string& name : all.matching(metric.name)) {
        const Series series = all.series(name);
        if (series.empty() || figure.panel.lines.size() >= 2 * kMostLines) continue;
        ChartLine line;
        line.color = colour++;
        line.label = metric.label.empty() ? source_in(name) : metric.label;
        if (found.trainings.size() > 1) line.label = training.record.name + ", " + line.label;
        line.marked = name.starts_with("eval/");
        line.points = points_of(series);
        if (!line.marked && !metric.exact && series.size() >= kSmoothFrom) {
          ChartLine behind = line;
          behind.label.clear();
          behind.faint = true;
          figure.panel.lines.push_back(std::move(behind));
          const auto points = static_cast<std::int64_t>(std::max<std::size_t>(2, series.size() / kMeans));
          line.points = points_of(smoothed(series, {points, 0}));
          line.label += strf(", mean of %lld points", static_cast<long long>(points));
        }
        figure.panel.lines.push_back(std::move(line));
      }
    }
  }
  if (figure.panel.lines.empty()) return std::nullopt;
  figure.from_zero = shares;
  figure.log_y = !shares && is_wide(figure.panel);
  if (figure.log_y) figure.panel.title += ", logarithmic";
  return figure;
}

std::string change_of(const FoundTraining& training, const char* key) {
  const double first = number_of(training.first_evaluation, key),
               best = number_of(training.best_evaluation, key);
  if (!std::isfinite(first) || !std::isfinite(best)) return "-";
  return nats(first) + " -> " + nats(best);
}

}  // namespace

std::string decimals(double value, int digits) {
  return std::isfinite(value) ? strf("%.*f", digits, value) : "-";
}

std::string nats(double value) {
  constexpr double kSmall = 0.01;
  return std::isfinite(value) && value != 0 && std::abs(value) < kSmall ? strf("%.3g", value)
                                                                        : decimals(value, 4);
}

std::optional<Section> curves_section(const Findings& found) {
  Section section{"Curves", {}};
  const auto add = [&](const std::string& title, const std::vector<Metric>& metrics, bool shares = false) {
    if (auto figure = figure_of(found, title, metrics, shares))
      section.blocks.emplace_back(std::move(*figure));
  };
  add("Loss",
      {{"train/loss", "training"}, {"eval/loss", "evaluation"}, {"eval/holdout_loss", "held-out documents"}});
  add("KL from the teacher, nats a token", {{"eval/holdout_kl_mean", "held-out documents"},
                                            {"eval/train_kl_mean", "training rows"},
                                            {"eval/text_kl_mean", "--eval-text"}});
  add("KL on held-out documents by source, nats a token", {{"eval/holdout_sources/*/kl_mean", ""}});
  add("Share of positions with the teacher's likeliest token",
      {{"eval/holdout_top1", "held-out documents"}, {"eval/train_top1", "training rows"}}, true);
  add("Learning rate", {{"train/lr", kLast, true}});
  add("Norm of the gradient", {{"train/grad_norm", kLast}});
  add("Tokens per second", {{"train/tokens_per_s", kLast}});
  if (section.blocks.empty()) return std::nullopt;
  return section;
}

std::optional<Section> losses_section(const Findings& found) {
  ReportTable table{{"Training", "KD loss", "KD loss, held-out documents", "KL, held-out documents",
                     "KL, training rows", "KL, --eval-text"},
                    {}};
  bool measured = false;
  for (const FoundTraining& training : found.trainings) {
    if (training.first_evaluation.is_null()) continue;
    std::vector<std::string> row = {training.record.name};
    for (const char* key : {"loss", "holdout_loss", "holdout_kl_mean", "train_kl_mean", "text_kl_mean"})
      row.push_back(change_of(training, key));
    measured = measured || std::isfinite(number_of(training.best_evaluation, "holdout_kl_mean"));
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return std::nullopt;
  Section section{"Losses", {}};
  section.blocks.emplace_back(
      Paragraph{{{"At the first evaluation -> at the best one, whose weights were kept. KL: divergence from "
                  "the teacher over "
                  "the whole vocabulary, nats a token."}}});
  section.blocks.emplace_back(std::move(table));
  if (!measured)
    section.blocks.emplace_back(Paragraph{
        {{"The KL on held-out documents was not measured: the cache has no hold-out part (--holdout), or it "
          "has no hidden states (--payload topk,lse,hidden) and the training had no --teacher-model."}}});
  return section;
}

}  // namespace anemll
