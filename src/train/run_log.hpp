// Where a run's figures go: training_log.csv in the reference's columns, metrics.jsonl with everything, one
// line per log step for people. Rank 0 only.
#pragma once

#include "anemll/core/log.hpp"
#include "anemll/core/metrics_log.hpp"
#include "src/train/evaluate.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace anemll {

class RunLog {
 public:
  struct Lines {
    std::int64_t csv = 0, metrics = 0;
  };
  /// `keep`: go on behind that many lines of an earlier run's files; absent: start anew.
  RunLog(const std::filesystem::path& folder, std::optional<Lines> keep, std::int64_t step,
         std::int64_t max_steps);

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
  /// Makes both files durable, before a checkpoint that counts on them.
  void sync();
  /// Lines so far, the CSV's header included.
  Lines lines() const { return lines_; }
  /// Moves the live bar on a terminal.
  void tick(std::int64_t step);

 private:
  void write(const CsvRow& row);
  void write(const JsonLine& line);

  Lines lines_;  // before the logs: the constructor cuts the files first
  CsvLog csv_;
  JsonlLog metrics_;
  Progress progress_;
  std::int64_t max_steps_;
};

}  // namespace anemll
