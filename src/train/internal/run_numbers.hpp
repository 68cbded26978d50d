// The few numbers besides tensors that a run must keep to go on exactly where it stopped, and trainer.json,
// the file of a state that holds them.
#pragma once

#include "src/train/internal/saved_state.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct RunNumbers {
  std::int64_t step = 0;            ///< optimiser steps done; the sampler's position is step * accumulation
  std::int64_t optimizer_step = 0;  ///< updates applied (a skipped step applies none)
  std::int64_t skipped_in_row = 0;
  double best_loss = std::numeric_limits<double>::infinity();
  double best_kl = std::numeric_limits<double>::infinity();  ///< EvaluationResult::holdout_kl of the best
  double initial_loss = std::numeric_limits<double>::quiet_NaN();
  double last_eval = std::numeric_limits<double>::quiet_NaN();
  double initial_text_kl = std::numeric_limits<double>::quiet_NaN();
  double text_kl = std::numeric_limits<double>::quiet_NaN();  ///< of the last evaluation, where it had a text
  std::string text_digest;                                    ///< what these were measured on
  double window_loss = 0;                                     ///< sum of step losses since the last log line
  std::int64_t window_steps = 0;
  double elapsed_s = 0;
  std::int64_t logged_step = 0;                       ///< of the last training row in the logs
  std::int64_t evaluated_step = -1;                   ///< of the last evaluation's row; -1: none yet
  std::int64_t evaluations = 0;                       ///< rows of that step
  std::int64_t best_step = 0;                         ///< whose weights best_state_dict.pt holds
  bool finished = false;                              ///< the final files are written
  std::map<std::string, std::string> sink_positions;  ///< by name of the sink: what RunLog hands back to it
  double first_loss = std::numeric_limits<double>::quiet_NaN();  ///< of the first step that had one
  std::int64_t evaluations_since_best = 0;                       ///< of those that --patience counts
  /// What was the best before the final evaluation found a better one: a run that is killed behind it
  /// evaluates once more, against this.
  struct Best {
    double loss, kl;
  };
  std::optional<Best> best_before_final;
  bool tail_due = false;  ///< the evaluation and periodic files of this step are still to be made

  void count_evaluation() {
    evaluations = evaluated_step == step ? evaluations + 1 : 1;
    evaluated_step = step;
  }

  /// JSON that reads back bit for bit; non-finite numbers become null.
  std::string to_json() const;
  static RunNumbers from_json(const std::string& text);
};

/// trainer.json: {"state": the numbers, "identity": ..., "options": ..., "ran_on": the host of each rank},
/// identity and options JSON objects. The hosts are for people and anemll_watch: nothing goes by them.
std::string trainer_json(const RunNumbers& numbers, const std::string& identity, const std::string& options,
                         const std::vector<std::string>& hosts = {});
/// Out of trainer.json of a state. Data errors.
RunNumbers run_numbers_of(const SavedState& state);

}  // namespace anemll
