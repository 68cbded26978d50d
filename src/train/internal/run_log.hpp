// The sinks of a run as one: events go to all of them, and one that fails is a warning, once; the run goes
// on. States keep a position of each sink that has one, and a run that goes on hands it back. Rank 0 only.
#pragma once

#include "anemll/core/log.hpp"
#include "src/train/internal/metrics_sink.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// What a state says about the sinks.
struct SavedLog {
  LogMark mark;
  std::map<std::string, std::string> positions;  ///< by name of the sink
};

class RunLog {
 public:
  /// CSV, JSONL and terminal. `saved`: of the state that the run goes on from; absent: the run starts.
  RunLog(const std::filesystem::path& folder, const std::optional<SavedLog>& saved, std::int64_t step,
         std::int64_t max_steps);
  /// One sink more. In a run that goes on it gets its position back here.
  void add(std::unique_ptr<MetricsSink> sink);
  /// The logs of a run that is continued in another folder.
  static void copy(const std::filesystem::path& from, const std::filesystem::path& to);

  void start(const StartRecord& record);
  void train(const TrainRecord& record);
  void eval(const EvaluationRecord& record);
  void repeat_eval(const EvaluationRecord& record);
  void layers(const LayersRecord& record);
  void summary(const std::string& json);
  void end(const EndRecord& record);
  void sync();
  /// By sink, of those that have one: for the next state. A position that a state has of a sink that this run
  /// lacks stays as it is, which is told once: the sink finds it when it comes back.
  std::map<std::string, std::string> positions();
  /// Moves the live bar on a terminal.
  void tick(std::int64_t step);

 private:
  struct Entry {
    std::unique_ptr<MetricsSink> sink;
    std::string name;
    std::optional<std::string> behind{};  // the position to go on from, until that succeeded
    bool told = false;
  };
  void guard(Entry& entry, const std::function<void(MetricsSink&)>& action);
  void each(const std::function<void(MetricsSink&)>& action);

  std::vector<Entry> sinks_;
  std::optional<LogMark> mark_;                   // where a run that goes on starts
  std::map<std::string, std::string> positions_;  // last known, with those of absent sinks
  bool told_absent_ = false;
  bool ended_ = false;
  Progress progress_;
};

}  // namespace anemll
