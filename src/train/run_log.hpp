// The sinks of a run as one: events go to all of them, and one that fails is a warning, once; the run goes
// on. Rank 0 only.
#pragma once

#include "anemll/core/log.hpp"
#include "src/train/metrics_sink.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

class RunLog {
 public:
  /// CSV, JSONL and terminal. `mark`: go on with the files that are there, cut behind it; absent: start anew.
  RunLog(const std::filesystem::path& folder, const std::optional<LogMark>& mark, std::int64_t step,
         std::int64_t max_steps);
  void add(std::unique_ptr<MetricsSink> sink);
  /// The logs of a run that is continued in another folder.
  static void copy(const std::filesystem::path& from, const std::filesystem::path& to);

  void train(const TrainRecord& record);
  void eval(const EvaluationRecord& record);
  void summary(const std::string& json);
  void sync();
  /// By sink, of those that need one.
  std::map<std::string, std::string> positions() const;
  /// Moves the live bar on a terminal.
  void tick(std::int64_t step);

 private:
  struct Entry {
    std::unique_ptr<MetricsSink> sink;
    bool told = false;
  };
  void each(const std::function<void(MetricsSink&)>& action);

  std::vector<Entry> sinks_;
  Progress progress_;
};

}  // namespace anemll
