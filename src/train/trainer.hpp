// The training loop: micro-steps, reduction, clipping, update, logs, evaluation, checkpoints. Owns the run's
// mutable state; everything it calls is stateless or owned here. One thread per rank.
#pragma once

#include "anemll/comm/bucket_reducer.hpp"
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/output_folder.hpp"
#include "anemll/data/prefetcher.hpp"
#include "anemll/train/state_store.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/evaluator.hpp"
#include "src/train/kd_loss.hpp"
#include "src/train/optimizer.hpp"
#include "src/train/output_files.hpp"
#include "src/train/run_log.hpp"
#include "src/train/run_state.hpp"
#include "src/train/schedule.hpp"
#include "src/train/student.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace anemll {

class Trainer {
 public:
  /// Everything is open and checked when this returns, memory plan and suspicious settings are told; nothing
  /// has been trained. `local_ranks`: ranks of this host. Collective.
  Trainer(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
          Communicator& device_comm, at::Device device, int local_ranks);
  ~Trainer();

  ExitCode run();

 private:
  struct StepReport {
    KdLossSums loss;  ///< over all ranks and micro-steps
    double grad_norm = 0;
    double lr = 0;  ///< that this update used
    bool skipped = false;
    int signal = 0;  ///< that came to any rank by the step's end
  };

  /// One optimiser step. Throws StopError, on all ranks, when a signal comes while gradients accumulate: the
  /// state is then still that of the step before.
  StepReport step();
  /// Steps, with all that hangs on them, to the end of the run.
  void train();
  /// The evaluation and the periodic files that are due at this step.
  void tail();
  bool is_due(std::int64_t every) const;
  bool evaluation_is_due() const;
  bool tail_is_due() const;
  KdLossSums micro_step(KdBatch& batch, std::int64_t micro, bool last);
  void update(StepReport& report);
  void skip_unsupervised(StepReport& report);
  EvaluationResult evaluate(bool with_text);
  void evaluate_and_keep_best(bool final_evaluation);
  void keep_best(double loss);
  void save_state();
  void save_periodic();
  void log_step(const StepReport& report);
  void restore(const StateStore::Loaded& state);
  /// The folder of a run that starts anew, or that goes on from `state`. Rank 0.
  void start_folder(const EvaluationResult& first);
  void continue_folder(const StateStore::Loaded& state);
  void mend_best(const StateStore::Loaded& state);
  void begin();
  ExitCode stop_on_signal(int signal);
  void pace_checks(double seconds);
  void finish();

  const TrainOptions options_;
  std::string resolved_json_;
  Communicator& comm_;         ///< host collectives: decisions, losses, broadcasts
  Communicator& device_comm_;  ///< gradient reduction; the same object on CPUs
  at::Device device_;
  at::ScalarType compute_;
  std::unique_ptr<OutputFolder> output_;  ///< rank 0; its lock lives as long as the run

  std::unique_ptr<Student> student_;
  std::unique_ptr<Prefetcher> data_;
  std::unique_ptr<Evaluator> evaluator_;  ///< none with --eval-samples 0
  AdamW optimizer_;
  std::unique_ptr<BucketReducer> reducer_;
  RunState state_;
  std::int64_t check_every_ = 1;        ///< micro-steps between two looks for a signal, the same on all ranks
  std::unique_ptr<RunLog> log_;         ///< rank 0
  std::unique_ptr<OutputFiles> files_;  ///< rank 0
  std::unique_ptr<StateStore> store_;   ///< rank 0 writes
  std::string run_identity_;            ///< what a resumed run must share with this one (JSON)

  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  double elapsed_before_s_ = 0;  ///< of the runs that this one resumes
  double stepping_s_ = 0;        ///< inside steps, without evaluations and files
  double final_text_kl_ = std::numeric_limits<double>::quiet_NaN();
  bool resumed_ = false;

  StepReport last_report_;               ///< without tokens before the first step
  KdLossSums last_loss_;                 ///< of the last step that had a finite one
  std::int64_t unsupervised_steps_ = 0;  ///< of this process: steps without anything to learn from
  std::int64_t unsupervised_in_row_ = 0;

  // Since the last log line.
  double supervised_ = 0;  ///< positions over all ranks
  std::int64_t logged_step_ = 0;
  double logged_stepping_s_ = 0;
  double logged_wait_s_ = 0;
};

}  // namespace anemll
