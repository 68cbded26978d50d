// Where a run's figures go: training_log.csv in the reference's columns, metrics.jsonl with everything, one
// line per log step for people. Rank 0 only. A log that cannot be written is a warning, once; the run goes
// on.
#pragma once

#include "anemll/core/log.hpp"
#include "anemll/core/metrics_log.hpp"
#include "src/train/evaluate.hpp"
#include "src/train/log_cut.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

class RunLog {
 public:
  /// `mark`: go on with the files that are there, cut behind it; absent: start anew.
  RunLog(const std::filesystem::path& folder, const std::optional<LogMark>& mark, std::int64_t step,
         std::int64_t max_steps);
  /// The logs of a run that is continued in another folder.
  static void copy(const std::filesystem::path& from, const std::filesystem::path& to);

  struct Train {
    std::int64_t step = 0;
    double loss = 0;        ///< mean over the window
    double kl = 0, ce = 0;  ///< of the last step
    double lr = 0;          ///< of the update just done
    double next_lr = 0;     ///< of the next one: what the CSV column holds
    double grad_norm = 0;
    double hard_top1 = 0;
    double tokens_per_s = 0;
    double data_wait_s = 0;  ///< since the last line
    double eta_s = 0;
    double elapsed_s = 0;
    bool skipped = false;
  };
  void train(const Train& t);
  struct Evaluation {
    std::int64_t step = 0;
    EvaluationResult result;
    double best = 0;  ///< loss before this one
    double lr = 0;    ///< what the CSV column holds at this point
    double elapsed_s = 0;
    bool final_evaluation = false;
  };
  void evaluation(const Evaluation& e);
  /// The closing line of metrics.jsonl.
  void summary(const std::string& json_object);
  /// Makes both files durable, before a state that counts on them.
  void sync();
  /// Moves the live bar on a terminal.
  void tick(std::int64_t step);

 private:
  /// One file: opened when it is first written to, so that it may come back.
  template <class Log>
  struct File {
    std::filesystem::path path;
    std::optional<Log> log;
    bool told = false;
  };
  template <class Log, class Action>
  void attempt(File<Log>& file, const Action& action);

  File<CsvLog> csv_;
  File<JsonlLog> metrics_;
  Progress progress_;
  std::int64_t max_steps_;
};

}  // namespace anemll
