#include "src/train/internal/run_log.hpp"

#include "anemll/core/file.hpp"
#include "src/train/internal/log_sinks.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {

RunLog::RunLog(const std::filesystem::path& folder, const std::optional<SavedLog>& saved, std::int64_t step,
               std::int64_t max_steps)
    : progress_("training", max_steps, "steps", step) {
  if (saved) {
    mark_ = saved->mark;
    positions_ = saved->positions;
  }
  add(make_csv_sink(folder));
  add(make_jsonl_sink(folder));
  add(make_terminal_sink(max_steps));
  sync();  // the files are there from the start
}

void RunLog::add(std::unique_ptr<MetricsSink> sink) {
  std::string name = sink->name();
  if (std::ranges::find(sinks_, name, &Entry::name) != sinks_.end())
    throw std::logic_error("two sinks have one name: " + name);
  sinks_.push_back({std::move(sink), std::move(name)});
  if (!mark_) return;
  Entry& entry = sinks_.back();
  const auto saved = positions_.find(entry.name);
  entry.behind = saved == positions_.end() ? std::string() : saved->second;
  guard(entry, [](MetricsSink&) {});
}

void RunLog::guard(Entry& entry, const std::function<void(MetricsSink&)>& action) {
  try {
    if (entry.behind) {
      entry.sink->go_on(*mark_, *entry.behind);
      entry.behind.reset();
    }
    action(*entry.sink);
  } catch (const std::exception& e) {
    if (!std::exchange(entry.told, true))
      log_warning(std::string("a log is not written") + (ended_ ? "" : ", the run goes on") + ": " +
                  e.what());
  }
}

void RunLog::each(const std::function<void(MetricsSink&)>& action) {
  for (Entry& entry : sinks_) guard(entry, action);
}

void RunLog::copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const char* name : {kCsvFile, kMetricsFile}) {
    if (!std::filesystem::is_regular_file(from / name)) continue;
    try {
      write_file(to / name, read_text(from / name));
    } catch (const std::exception& e) {
      log_warning(std::string("a log cannot be copied: ") + e.what());
    }
  }
}

void RunLog::start(const StartRecord& record) {
  each([&](MetricsSink& sink) { sink.start(record); });
}

void RunLog::train(const TrainRecord& record) {
  each([&](MetricsSink& sink) { sink.train(record); });
}

void RunLog::eval(const EvaluationRecord& record) {
  each([&](MetricsSink& sink) { sink.eval(record); });
}

void RunLog::repeat_eval(const EvaluationRecord& record) {
  each([&](MetricsSink& sink) { sink.repeat_eval(record); });
}

void RunLog::layers(const LayersRecord& record) {
  each([&](MetricsSink& sink) { sink.layers(record); });
}

void RunLog::summary(const std::string& json) {
  each([&](MetricsSink& sink) { sink.summary(json); });
  progress_.finish();
}

void RunLog::end(const EndRecord& record) {
  ended_ = true;
  each([&](MetricsSink& sink) { sink.end(record); });
}

void RunLog::sync() {
  each([](MetricsSink& sink) { sink.sync(); });
}

std::map<std::string, std::string> RunLog::positions() {
  if (!std::exchange(told_absent_, true)) {
    for (const auto& [name, position] : positions_) {
      if (std::ranges::find(sinks_, name, &Entry::name) == sinks_.end())
        log_info(strf("the state has a position of the log '%s', which this run does not write: kept",
                      name.c_str()));
    }
  }
  for (Entry& entry : sinks_) {
    guard(entry, [&](const MetricsSink& sink) {  // one that fails keeps the last that it said
      std::string position = sink.position();
      (void)nlohmann::json(position).dump();  // throws where it is no text that a state can hold
      if (position.empty()) {
        positions_.erase(entry.name);
      } else {
        positions_[entry.name] = std::move(position);
      }
    });
  }
  return positions_;
}

void RunLog::tick(std::int64_t step) {
  progress_.update(step);
}

}  // namespace anemll
