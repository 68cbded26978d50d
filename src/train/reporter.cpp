#include "src/train/internal/reporter.hpp"

#include "src/train/internal/schedule.hpp"

#include <algorithm>

namespace anemll {

double positions_per_token(const KdCacheInfo& cache) {
  return static_cast<double>(std::min(cache.length - 1, cache.positions)) / static_cast<double>(cache.length);
}

void Reporter::observe(const StepReport& report) {
  last_ = report;
  if (!report.skipped) last_loss_ = report.loss;
  supervised_ += report.loss.tokens;
  stepping_s_ += report.seconds;
}

std::optional<TrainRecord> Reporter::close(RunNumbers& numbers) {
  const TrainOptions& o = run_.options;
  std::optional<TrainRecord> record;
  const double waited = run_.data->wait_seconds();
  if (numbers.window_steps > 0) {
    TrainRecord line;
    line.step = numbers.step;
    line.loss = numbers.window_loss / static_cast<double>(numbers.window_steps);
    line.kl = last_loss_.kl / last_loss_.tokens;
    line.ce = last_loss_.ce / last_loss_.tokens;
    line.lr = last_.lr;
    line.next_lr = o.lr * lr_multiplier(schedule_of(o), numbers.step);
    line.grad_norm = last_.grad_norm;
    line.hard_top1 = loss_options(o, numbers.step - 1).hard_top1;
    const double steps = static_cast<double>(std::max<std::int64_t>(numbers.step - step_, 1));
    const double seconds = std::max(stepping_s_, 1e-9);
    // Tokens of sequences that were there and supervised; padding is not counted.
    line.tokens_per_s = supervised_ / positions_per_token(run_.data->info()) / seconds;
    line.data_wait_s = waited - waited_s_;
    line.eta_s = seconds / steps * static_cast<double>(o.max_steps - numbers.step);
    line.elapsed_s = numbers.elapsed_s;
    line.skipped = last_.skipped;
    record = line;
  }
  step_ = numbers.logged_step = numbers.step;
  supervised_ = 0;
  stepping_s_ = 0;
  waited_s_ = waited;
  numbers.window_loss = 0;
  numbers.window_steps = 0;
  return record;
}

}  // namespace anemll
