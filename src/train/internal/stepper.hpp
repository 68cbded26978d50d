// One optimiser step: micro-steps, the reduction that runs beneath the last of them, clipping, the update.
// Decisions hang on sums that all ranks share. One thread per rank.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/comm/bucket_reducer.hpp"
#include "src/distill/kd_loss.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/optimizer.hpp"
#include "src/train/internal/optimizer_share.hpp"
#include "src/train/internal/run_numbers.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace anemll {

struct StepReport {
  KdLossSums loss;  ///< over all ranks and micro-steps
  double grad_norm = 0;
  double lr = 0;  ///< that this update used
  double seconds = 0;
  double reduction_s = 0;  ///< of these, waiting for the other ranks
  bool skipped = false;
  int signal = 0;           ///< that came to any rank by the step's end
  bool time_is_up = false;  ///< for any rank: see Stepper::end_after
};

/// The loss that the step behind `completed` ones trains with.
KdLossOptions loss_options(const TrainOptions& options, std::int64_t completed);

class Stepper {
 public:
  /// `run` must outlive it. Layers tell the reducer when their gradients are final.
  explicit Stepper(Assembly& run);
  Stepper(const Stepper&) = delete;  // the layers hold its address
  Stepper& operator=(const Stepper&) = delete;

  /// One step; counts it in `numbers`. Throws StopError, on all ranks, when a signal comes while gradients
  /// accumulate: `numbers` are then still those of the step before. Throws a numerics error when three steps
  /// in a row had no finite loss, and a data error when a whole pass had nothing to learn from.
  StepReport step(RunNumbers& numbers);

  /// Steps that end later than this say so.
  void end_after(std::chrono::steady_clock::time_point end) { end_ = end; }

  /// Of this rank's share of the parameters.
  AdamW& optimizer() { return optimizer_; }
  const OptimizerShare& share() const { return share_; }
  /// Steps of this process that had nothing to learn from.
  std::int64_t unsupervised_steps() const { return unsupervised_steps_; }

 private:
  KdBatch next_batch();
  /// Waits for the sums of all ranks: gradients, losses, and what came to any of them.
  void share_results(StepReport& report, std::chrono::steady_clock::time_point started);
  KdLossSums micro_step(KdBatch& batch, std::int64_t completed, std::int64_t micro, bool last);
  void update(RunNumbers& numbers, StepReport& report);
  void skip_unsupervised(const RunNumbers& numbers, StepReport& report);
  void pace_checks(double seconds);

  Assembly& run_;
  OptimizerShare share_;
  AdamW optimizer_;
  std::unique_ptr<BucketReducer> reducer_;
  std::int64_t check_every_ = 1;  ///< micro-steps between two looks for a signal, the same on all ranks
  std::optional<std::chrono::steady_clock::time_point> end_;
  std::int64_t unsupervised_steps_ = 0;
  std::int64_t unsupervised_in_row_ = 0;
};

}  // namespace anemll
