#include "src/train/reporter.hpp"

#include "src/train/run_setup.hpp"
#include "src/train/schedule.hpp"

#include <algorithm>

namespace anemll {

void Reporter::observe(const StepReport& report) {
  last_ = report;
  if (!report.skipped) last_loss_ = report.loss;
  supervised_ += report.loss.tokens;
  stepping_s_ += report.seconds;
}

std::optional<TrainRecord> Reporter::close(RunState& state) {
  const TrainOptions& o = run_.options;
  std::optional<TrainRecord> record;
  const double waited = run_.data->wait_seconds();
  if (state.window_steps > 0) {
    TrainRecord line;
    line.step = state.step;
    line.loss = state.window_loss / static_cast<double>(state.window_steps);
    line.kl = last_loss_.kl / last_loss_.tokens;
    line.ce = last_loss_.ce / last_loss_.tokens;
    line.lr = last_.lr;
    line.next_lr = o.lr * lr_multiplier(schedule_of(o), state.step);
    line.grad_norm = last_.grad_norm;
    line.hard_top1 = loss_options(o, state.step - 1).hard_top1;
    const double steps = static_cast<double>(std::max<std::int64_t>(state.step - step_, 1));
    const double seconds = std::max(stepping_s_, 1e-9);
    // Tokens of sequences that were there and supervised; padding is not counted.
    line.tokens_per_s = supervised_ / positions_per_token(run_.data->info()) / seconds;
    line.data_wait_s = waited - waited_s_;
    line.eta_s = seconds / steps * static_cast<double>(o.max_steps - state.step);
    line.elapsed_s = state.elapsed_s;
    line.skipped = last_.skipped;
    record = line;
  }
  step_ = state.logged_step = state.step;
  supervised_ = 0;
  stepping_s_ = 0;
  waited_s_ = waited;
  state.window_loss = 0;
  state.window_steps = 0;
  return record;
}

}  // namespace anemll
