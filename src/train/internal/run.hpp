// The life of a run: it starts or goes on, trains, evaluates, keeps what is best, ends or leaves on a signal.
#pragma once

#include "anemll/core/error.hpp"
#include "src/inspect/token_rows.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/first_loss.hpp"
#include "src/train/internal/reporter.hpp"
#include "src/train/internal/run_folder.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/stepper.hpp"
#include "src/train/internal/stragglers.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace anemll {

class Run {
 public:
  /// Takes the weights and numbers of the assembly's state where there is one; writes nothing. The assembly
  /// has a student.
  explicit Run(Assembly assembly);

  /// From start, or from the state, to the end. Once. Collective. `done`, or `save_and_requeue` when a signal
  /// came and the state is saved.
  ExitCode live();
  const RunNumbers& numbers() const { return numbers_; }

 private:
  ExitCode live_on();
  /// Takes over what a state holds.
  void restore(const SavedState& saved);
  /// The evaluation before the first step, and the folder.
  void begin();
  /// Steps, with all that hangs on them, to the end.
  void train();
  /// The evaluation and the periodic files that are due at this step.
  void tail();
  /// The last evaluation and files.
  void finish();
  ExitCode leave(int signal);
  /// Where the time went.
  void tell_time();

  bool evaluates() const { return run_.options.eval_samples > 0; }
  bool evaluation_is_due() const;
  /// Whether this step has had the evaluation that was due.
  bool evaluated_here() const;
  bool has_text() const;
  bool tail_is_due() const;
  /// Whether hold-out rows choose the best: not where the best so far has no such figure to compare with.
  bool best_by_holdout() const;
  bool is_best(const EvaluationResult& result) const;
  bool patience_is_over() const;
  /// By which option the run ends before its last step; null for none.
  const char* early_end() const;
  EvaluationResult evaluate(bool with_text);
  /// Rank 0's answers to --sample-prompts, while the others wait; StopError on all ranks where a signal came.
  void sample();
  /// `final_evaluation`: none was due at the last step, or it left out the text.
  void evaluate_and_keep_best(bool final_evaluation);
  double next_lr() const;
  void report();
  /// Rank 0 writes its log, which may lie on a slow disk.
  void write_log(const std::function<void(RunLog&)>& write);
  /// The layers behind `step`, where they are to be looked at.
  void inspect(const StepReport& step);

  Assembly run_;
  Stepper stepper_;
  RunNumbers numbers_;
  RunFolder folder_;
  std::optional<Reporter> reporter_;
  Stragglers stragglers_;
  std::optional<FirstLoss> first_loss_;
  std::vector<SampleAnswer> samples_;        ///< of the last evaluation; rank 0
  std::optional<TokenRows> inspected_rows_;  ///< rank 0, once layers were looked at
  bool time_is_up_ = false;                  ///< of --max-time
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  double elapsed_before_s_ = 0;  ///< of the runs that this one resumes
};

}  // namespace anemll
