// The logs of a run, read: metrics.jsonl, training_log.csv, and what the Python reference and its
// predecessors leave (loss.csv, train.log, trainer_state.json).
//
// A log may be read while a run writes it: a last line without its end counts only when it is whole.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/error.hpp"
#include "src/runs/run_metrics.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// Which log of a run is read. automatic: the first in this order that there is, `csv` behind `jsonl`.
enum class LogSource { automatic, jsonl, csv, trainlog, trainer };
inline constexpr auto kLogSources = std::to_array<Choice<LogSource>>({{LogSource::automatic, "auto"},
                                                                      {LogSource::jsonl, "jsonl"},
                                                                      {LogSource::csv, "csv"},
                                                                      {LogSource::trainlog, "trainlog"},
                                                                      {LogSource::trainer, "trainer"}});
constexpr std::span<const Choice<LogSource>> choices_of(LogSource) {
  return kLogSources;
}

/// What a run that came to its end says last.
struct RunClosing {
  std::int64_t step = 0;
  std::optional<double> initial_loss, final_loss, best_loss;
  std::optional<std::int64_t> best_step;
  std::optional<double> elapsed_s;
  std::string ended_by;  ///< the option that ended it before its last step
};

/// What a run says last that left before its end.
struct RunStop {
  std::int64_t step = 0;
  std::int64_t exit_code = 0;
  std::string error;  ///< what ended it; empty where it was asked to stop
  /// Whether it goes on with the same command from this step.
  bool saved() const { return exit_code == static_cast<std::int64_t>(ExitCode::save_and_requeue); }
};

/// What a program says when it begins to train, or to go on with that.
struct RunStart {
  std::vector<std::string> hosts;    ///< of each rank
  std::string processor;             ///< of rank 0
  std::string build;                 ///< facts of the program, one a line
  std::vector<std::string> command;  ///< words of the program's command; none where it was no program of ours
};

struct RunRecord {
  std::string name;            ///< for legends: that of its folder
  std::filesystem::path file;  ///< the log
  RunMetrics metrics;
  std::vector<RunStart> starts;       ///< in the order of the log; none in other logs and in older ones
  std::optional<RunClosing> closing;  ///< of a run that is over
  std::optional<RunStop> stop;        ///< of a run that left, and has not gone on since
  std::int64_t unread_lines = 0;      ///< lines in the middle of the log that are no rows
};

/// The log of a folder; nothing where there is none with that source.
std::optional<std::filesystem::path> find_log(const std::filesystem::path& folder, LogSource source);

/// Of a log file. A data error for what is no training log. No rows yet are no error.
RunRecord read_log(const std::filesystem::path& file, LogSource source = LogSource::automatic);

/// Of a folder or a file. A data error where there is no log, or one without a row.
RunRecord read_run(const std::filesystem::path& run, LogSource source = LogSource::automatic);

/// Gives runs with one name the folders above as well, until their names differ.
void name_apart(std::vector<RunRecord>& runs);

}  // namespace anemll
