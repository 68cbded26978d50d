#include "src/train/run_log.hpp"

#include "anemll/core/file.hpp"
#include "src/train/log_sinks.hpp"

#include <exception>
#include <utility>

namespace anemll {

RunLog::RunLog(const std::filesystem::path& folder, const std::optional<LogMark>& mark, std::int64_t step,
               std::int64_t max_steps)
    : progress_("training", max_steps, "steps", step) {
  add(make_csv_sink(folder, mark));
  add(make_jsonl_sink(folder, mark));
  add(make_terminal_sink(max_steps));
  sync();  // the files are there from the start
}

void RunLog::add(std::unique_ptr<MetricsSink> sink) {
  sinks_.push_back({std::move(sink), false});
}

void RunLog::each(const std::function<void(MetricsSink&)>& action) {
  for (Entry& entry : sinks_) {
    try {
      action(*entry.sink);
    } catch (const std::exception& e) {
      if (!std::exchange(entry.told, true))
        log_warning(std::string("a log is not written, the run goes on: ") + e.what());
    }
  }
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

void RunLog::train(const TrainRecord& record) {
  each([&](MetricsSink& sink) { sink.train(record); });
}

void RunLog::eval(const EvaluationRecord& record) {
  each([&](MetricsSink& sink) { sink.eval(record); });
}

void RunLog::summary(const std::string& json) {
  each([&](MetricsSink& sink) { sink.summary(json); });
  progress_.finish();
}

void RunLog::sync() {
  each([](MetricsSink& sink) { sink.sync(); });
}

std::map<std::string, std::string> RunLog::positions() const {
  std::map<std::string, std::string> all;
  for (const Entry& entry : sinks_) {
    if (std::string position = entry.sink->position(); !position.empty())
      all[entry.sink->name()] = std::move(position);
  }
  return all;
}

void RunLog::tick(std::int64_t step) {
  progress_.update(step);
}

}  // namespace anemll
