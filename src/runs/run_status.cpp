#include "src/runs/run_status.hpp"

#include "anemll/core/log.hpp"
#include "src/core/lock_holder.hpp"
#include "src/core/printable.hpp"
#include "src/runs/internal/run_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <utility>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kRowsOfARate = 6;
constexpr std::size_t kMostWarnings = 3;
constexpr std::size_t kRowsOfSkips = 20;
constexpr double kLeastPatience_s = 60;   // rows may come each second, and a file takes longer
constexpr double kFirstPatience_s = 900;  // a model is loaded, a text is made into tokens
constexpr double kPatienceInRows = 4;

std::optional<RunRecord> record_of(const fs::path& folder, std::vector<std::string>& warnings) {
  std::optional<RunRecord> record;
  for (const LogSource source : {LogSource::jsonl, LogSource::csv}) {
    const auto file = find_log(folder, source);
    if (!file) continue;
    try {
      RunRecord found = read_log(*file, source);
      if (record) found.starts = record->starts;  // a table has none
      record = std::move(found);
      if (!record->metrics.empty() || record->stop) return record;
    } catch (const std::exception& error) {
      warnings.push_back(printable(error.what(), 240));
    }
  }
  return record;
}

/// The youngest file that a run writes as it goes on.
std::optional<double> quiet_of(const fs::path& folder) {
  std::optional<double> youngest;
  for (const char* name :
       {"metrics.jsonl", "training_log.csv", "state", "best_state_dict.pt", "config.json", "."}) {
    const auto age = age_of(folder / name);
    if (age && (!youngest || *age < *youngest)) youngest = age;
  }
  return youngest;
}

/// The rows of steps, with the evaluation before the first of them: when, by the run's own count.
Series elapsed_of(const RunMetrics& metrics) {
  Series rows = metrics.series("train/elapsed_s");
  const Series evaluations = metrics.series("eval/elapsed_s");
  const bool early = !evaluations.empty() && (rows.empty() || evaluations.front().step < rows.front().step);
  if (early) {
    rows.insert(rows.begin(), evaluations.front());
  } else if (!rows.empty() && rows.front().step > 0) {
    rows.insert(rows.begin(), SeriesPoint{0, 0});  // a table has no time of the first evaluation
  }
  return rows;
}

void measure_pace(RunStatus& status) {
  const RunMetrics& metrics = status.record->metrics;
  const Series rows = elapsed_of(metrics);
  if (rows.empty()) return;
  status.elapsed_s = rows.back().value;
  if (rows.size() < 2) return;
  const SeriesPoint& last = rows.back();
  const SeriesPoint& before = rows[rows.size() - 2];
  const SeriesPoint& first = rows[rows.size() - std::min(rows.size(), kRowsOfARate)];
  const double seconds = last.value - first.value;
  if (seconds > 0 && last.step > first.step) {
    status.seconds_per_step = seconds / static_cast<double>(last.step - first.step);
    status.seconds_per_row = *status.seconds_per_step * static_cast<double>(last.step - before.step);
  }
  const auto wait = metrics.last("train/data_wait_s");
  if (wait && wait->step == last.step && last.value > before.value)
    status.data_wait = RunStatus::Wait{wait->value, last.value - before.value};
  if (const auto tokens = metrics.last("train/tokens_per_s")) status.tokens_per_s = tokens->value;
}

/// The evaluation that the run took for its best: the last that it marked, else the first.
std::optional<RunStatus::Best> best_of(const RunMetrics& metrics) {
  const Series losses = metrics.series("eval/loss");
  if (losses.empty()) return std::nullopt;
  const std::string metric = metrics.has("eval/holdout_kl") ? "eval/holdout_kl" : "eval/loss";
  const Series marks = metrics.series("eval/new_best");
  std::int64_t step = losses.front().step;
  for (const SeriesPoint& mark : marks) step = mark.value == 1 ? mark.step : step;
  if (marks.empty()) {
    const auto least = std::ranges::min_element(losses, [](const SeriesPoint& a, const SeriesPoint& b) {
      return std::isfinite(a.value) && (!std::isfinite(b.value) || a.value < b.value);
    });
    step = least->step;
  }
  for (const SeriesPoint& point : metrics.series(metric)) {
    if (point.step == step) return RunStatus::Best{metric, point};
  }
  return std::nullopt;
}

/// What the rows themselves say is wrong.
void add_doubts(const RunMetrics& metrics, std::vector<std::string>& warnings) {
  const auto loss = metrics.last("train/loss");
  if (loss && !std::isfinite(loss->value))
    warnings.push_back(strf("the loss at step %lld is no finite number", static_cast<long long>(loss->step)));
  const Series skipped = metrics.series("train/skipped");
  const std::size_t begin = skipped.size() > kRowsOfSkips ? skipped.size() - kRowsOfSkips : 0;
  std::size_t count = 0;
  for (std::size_t i = begin; i < skipped.size(); ++i) count += skipped[i].value == 1 ? 1U : 0U;
  if (count > 0)
    warnings.push_back(
        strf("%zu of the last %zu rows tell of a step that was skipped", count, skipped.size() - begin));
}

Liveness liveness_of(const RunStatus& status) {
  const bool has_rows = status.record && !status.record->metrics.empty();
  if (status.process) return has_rows ? Liveness::running : Liveness::waiting;
  if (status.record && status.record->stop) return Liveness::stopped;
  if (has_rows && status.record->closing) return Liveness::over;
  const double patience =
      std::max(kLeastPatience_s,
               status.seconds_per_row ? kPatienceInRows * *status.seconds_per_row : kFirstPatience_s);
  if (status.quiet_s && *status.quiet_s > patience && (has_rows || status.record)) return Liveness::silent;
  return has_rows ? Liveness::running : Liveness::waiting;
}

}  // namespace

RunStatus look_at_run(const fs::path& folder, std::span<const fs::path> logs) {
  RunStatus status;
  Notes notes;
  std::error_code none;
  status.has_folder = fs::is_directory(folder, none);
  status.record = record_of(folder, notes.warnings);
  status.process = lock_holder(folder / ".lock");
  status.quiet_s = quiet_of(folder);
  status.max_steps = max_steps_of(folder);
  const auto state = newest_state(folder);
  if (state) {
    status.state = RunStatus::State{state->step, age_of(state->path / "manifest.json").value_or(0)};
    status.step = state->step;  // rows come every few steps
  }
  if (status.record && !status.record->starts.empty()) {
    add_hosts(status.record->starts.back().hosts, notes);
  } else if (state) {
    read_state(*state, notes);
  }
  if (status.record) {
    const RunMetrics& metrics = status.record->metrics;
    for (const char* name : {"train/loss", "eval/loss"}) {
      if (const auto last = metrics.last(name)) status.step = std::max(status.step, last->step);
    }
    measure_pace(status);
    status.best = best_of(metrics);
  }
  if (status.record && status.record->closing) {
    status.step = std::max(status.step, status.record->closing->step);
    if (status.record->closing->elapsed_s) status.elapsed_s = status.record->closing->elapsed_s;
  }
  if (status.record && status.record->stop) status.step = std::max(status.step, status.record->stop->step);
  status.liveness = liveness_of(status);
  if (status.liveness == Liveness::running && status.seconds_per_step && status.max_steps) {
    const auto left = static_cast<double>(std::max<std::int64_t>(*status.max_steps - status.step, 0));
    const double since = std::min(status.quiet_s.value_or(0), status.seconds_per_row.value_or(0));
    status.eta_s = std::max(left * *status.seconds_per_step - since, 0.0);
  }
  read_dumps(folder, notes);
  for (const fs::path& file : stderr_files(folder)) read_stderr(file, notes);
  for (const fs::path& file : logs) read_stderr(file, notes);
  if (status.record) add_doubts(status.record->metrics, notes.warnings);
  status.ranks = notes.ranks;
  status.hosts.assign(notes.hosts.begin(), notes.hosts.end());
  const std::size_t begin = notes.warnings.size() > kMostWarnings ? notes.warnings.size() - kMostWarnings : 0;
  status.warnings.assign(notes.warnings.begin() + static_cast<std::ptrdiff_t>(begin), notes.warnings.end());
  return status;
}

}  // namespace anemll
