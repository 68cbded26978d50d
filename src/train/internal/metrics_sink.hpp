// Where the figures of a run go. A sink is one record or display of them; all sinks get the same events, and
// a new one touches neither the loop nor the format of states.
#pragma once

#include "src/distill/evaluation_result.hpp"
#include "src/train/internal/log_cut.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct Inspection;

/// Who computes, with what: of the program that is at work from here on.
struct StartRecord {
  std::vector<std::string> hosts;    ///< of each rank
  std::string processor;             ///< of rank 0
  std::string build;                 ///< build_summary()
  std::vector<std::string> command;  ///< TrainOptions::command
};

/// A window of training steps.
struct TrainRecord {
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

/// What the student says to one of --sample-prompts.
struct SampleAnswer {
  std::string prompt, answer;
};

struct EvaluationRecord {
  std::int64_t step = 0;
  EvaluationResult result;
  double best = 0;  ///< loss before this one
  double lr = 0;    ///< what the CSV column holds at this point
  double elapsed_s = 0;
  bool final_evaluation = false;  ///< none comes behind it
  bool new_best = false;
  std::vector<SampleAnswer> samples = {};      ///< empty without --sample-prompts
  std::optional<double> best_holdout_kl = {};  ///< before this one, where it decides what is best
};

/// The student's layers behind a step, by inspect_layers().
struct LayersRecord {
  std::int64_t step = 0;
  double elapsed_s = 0;
  const Inspection& inspection;
};

/// How the run ends.
struct EndRecord {
  std::int64_t step = 0;
  int exit_code = 0;
  std::string error;  ///< what ended it, where that was one
};

/// Rank 0 only, one thread. What a sink throws is a warning, once for each sink: see RunLog.
class MetricsSink {
 public:
  virtual ~MetricsSink() = default;
  /// For messages and for what a state keeps of it: "csv". No two sinks of a run have the same.
  virtual std::string name() const = 0;
  /// In front of all other records, and again when a run goes on.
  virtual void start(const StartRecord& /*record*/) {}
  virtual void train(const TrainRecord& record) = 0;
  virtual void eval(const EvaluationRecord& record) = 0;
  /// The run ends with an evaluation that eval() was given already: for a log that has the last one twice.
  virtual void repeat_eval(const EvaluationRecord& /*record*/) {}
  /// Of runs with --inspect-steps.
  virtual void layers(const LayersRecord& /*record*/) {}
  /// The closing figures, a JSON object.
  virtual void summary(const std::string& /*json*/) {}
  /// The run leaves, whether complete, stopped or by an error; nothing comes behind it. Not called where the
  /// process is killed.
  virtual void end(const EndRecord& /*record*/) {}
  /// Makes durable what it has, before a state that counts on it.
  virtual void sync() {}
  /// What it needs to be given when a run goes on: kept in states under its name, opaque to them. Empty:
  /// nothing beyond the steps of the records, which every state has.
  virtual std::string position() const { return {}; }
  /// Before anything else when a run goes on from a state: what the sink told behind the state is to go.
  /// `mark`: how far the records had come. `position`: what `position` said when the state was saved; empty
  /// when it said nothing then, or when there was no such sink. What it speaks of may be gone: the state may
  /// be that of another folder. After a throw it is asked again before the next event, which it does not get
  /// until then; states keep the old position.
  virtual void go_on(const LogMark& /*mark*/, const std::string& /*position*/) {}
};

}  // namespace anemll
