#include "src/tools/watch_text.hpp"

#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/plots/run_chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace anemll {
namespace {

constexpr std::size_t kBar = 24;
constexpr std::size_t kLabel = 11;
constexpr std::size_t kMostOfAnError = 240;

std::string row(const std::string& label, const std::string& text) {
  return label + std::string(kLabel - std::min(kLabel, label.size()), ' ') + text + '\n';
}

long long whole(std::int64_t value) {
  return static_cast<long long>(value);
}

std::string stop_text(const RunStop& stop) {
  if (stop.saved())
    return strf("stopped at step %lld, saved; the same command with --resume auto goes on", whole(stop.step));
  std::string text =
      strf("ended by an error at step %lld (exit code %lld)", whole(stop.step), whole(stop.exit_code));
  return stop.error.empty() ? text : text + ": " + printable(stop.error, kMostOfAnError);
}

std::string liveness_text(const RunStatus& s) {
  std::string text;
  switch (s.liveness) {
    case Liveness::waiting:
      text = s.has_folder ? "waiting for the first row" : "no such folder yet: waiting for a run to make it";
      break;
    case Liveness::running:
      text = s.process ? "running" : "running or just stopped, by its last sign of life";
      break;
    case Liveness::silent:
      text = "silent: it was stopped or lost, or it hangs";
      break;
    case Liveness::stopped:
      text = stop_text(*s.record->stop);
      break;
    case Liveness::over:
      text = "complete";
      break;
  }
  const auto& closing = s.record ? s.record->closing : std::nullopt;
  if (s.liveness == Liveness::over && !closing->ended_by.empty())
    text += ", ended by " + printable(closing->ended_by);
  if (s.process) text += strf(" (process %d of this host)", *s.process);
  return text;
}

std::string progress_text(const RunStatus& s) {
  if (!s.max_steps || *s.max_steps <= 0) return strf("%lld", whole(s.step));
  const double part = std::clamp(static_cast<double>(s.step) / static_cast<double>(*s.max_steps), 0.0, 1.0);
  const auto full = static_cast<std::size_t>(part * static_cast<double>(kBar));
  std::string text = strf("%lld of %lld  [", whole(s.step), whole(*s.max_steps));
  text += std::string(full, '#') + std::string(kBar - full, '.') + strf("] %.0f%%", std::floor(100 * part));
  if (s.eta_s) text += "  eta " + format_seconds(*s.eta_s);
  return text;
}

std::string pace_text(const RunStatus& s) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (s.seconds_per_step) {
    const double seconds = *s.seconds_per_step;
    add(seconds < 1 ? strf("%.3g steps/s", 1 / seconds) : strf("%.3g s a step", seconds));
  }
  if (s.tokens_per_s) add(strf("%.4g tokens/s", *s.tokens_per_s));
  if (s.elapsed_s && !text.empty()) add(format_seconds(*s.elapsed_s) + " so far");
  return text;
}

std::string loss_text(const RunMetrics& metrics) {
  std::string text;
  if (const auto loss = metrics.last("train/loss"))
    text = strf("%.6g at step %lld", loss->value, whole(loss->step));
  if (const auto loss = metrics.last("eval/loss"))
    text += strf("%sevaluation %.6g at step %lld", text.empty() ? "" : ", ", loss->value, whole(loss->step));
  return text;
}

std::string best_text(const RunStatus& s) {
  const std::string unit = unit_of_metric(s.best->metric);
  const std::string what = s.best->metric == "eval/holdout_kl" ? "KL on held-out text" : "evaluation";
  return strf("%s %.6g%s%s at step %lld", what.c_str(), s.best->point.value, unit.empty() ? "" : " ",
              unit.c_str(), whole(s.best->point.step));
}

std::string ranks_text(const RunStatus& s) {
  std::string text = s.ranks ? strf("%lld", whole(*s.ranks)) : "";
  for (std::size_t i = 0; i < s.hosts.size(); ++i) {
    if (i == 8) return text + strf(" and %zu more", s.hosts.size() - i);
    text += (i == 0 ? (text.empty() ? "on " : " on ") : ", ") + s.hosts[i];
  }
  return text;
}

std::string signs_text(const RunStatus& s) {
  std::string text = format_seconds(*s.quiet_s) + " ago";
  if (s.seconds_per_row) text += ", a row takes " + format_seconds(*s.seconds_per_row);
  return text;
}

}  // namespace

std::string watch_text(const std::string& name, const RunStatus& s) {
  std::string out = row("run", printable(name) + ": " + liveness_text(s));
  const bool has_rows = s.record && !s.record->metrics.empty();
  if (has_rows || s.max_steps) out += row("steps", progress_text(s));
  if (const std::string pace = pace_text(s); !pace.empty()) out += row("pace", pace);
  if (has_rows) {
    if (const std::string loss = loss_text(s.record->metrics); !loss.empty()) out += row("loss", loss);
    if (s.best) out += row("best", best_text(s));
  }
  if (s.data_wait)
    out += row("data wait", strf("%.2g s of the last %s (%.1f%%)", s.data_wait->data_s,
                                 format_seconds(s.data_wait->of_s).c_str(),
                                 100 * s.data_wait->data_s / s.data_wait->of_s));
  if (const std::string ranks = ranks_text(s); !ranks.empty()) out += row("ranks", ranks);
  if (s.state)
    out += row("state",
               strf("step %lld, saved %s ago", whole(s.state->step), format_seconds(s.state->age_s).c_str()));
  if (s.quiet_s) out += row("last sign", signs_text(s));
  for (const std::string& warning : s.warnings) out += row("warning", warning);
  const bool failed = s.liveness == Liveness::stopped && !s.record->stop->saved();
  if ((s.liveness == Liveness::silent || failed) && s.state)
    out += row("hint", "the command of the run with --resume auto goes on from that state");
  return out;
}

std::string watch_recipe_text(const std::string& name, const RecipeStatus& recipe) {
  std::string how = "complete";
  if (!recipe.over)
    how = recipe.stage.empty() ? "between two stages" : "at the stage " + printable(recipe.stage);
  if (!recipe.training)
    how +=
        recipe.over ? ", without the log of a training" : ", waiting for the first training to write its log";
  return row("recipe", printable(name) + ": " + how);
}

std::string watch_sketch(const RunStatus& s, const SketchStyle& style) {
  if (style.height == 0 || !s.record || s.record->metrics.matching("loss").empty()) return {};
  Chart chart = chart_of_runs({&*s.record, 1}, {"loss"}, {});
  chart.title.clear();  // the text has the name already
  return '\n' + sketch(chart, style);
}

std::string watch_signature(const RunStatus& s) {
  std::string text = strf("%d %d %lld %lld", s.has_folder ? 1 : 0, static_cast<int>(s.liveness),
                          whole(s.step), whole(s.state ? s.state->step : -1));
  if (s.record) {
    for (const std::string& name : s.record->metrics.names()) {
      if (name.ends_with("/loss")) text += strf(" %lld", whole(s.record->metrics.last(name)->step));
    }
  }
  for (const std::string& warning : s.warnings) text += '\n' + warning;
  return text;
}

}  // namespace anemll
