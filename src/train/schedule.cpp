// Both are evaluated in double; see schedule.hpp for the off-by-one that is kept on purpose.
#include "src/train/internal/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>

namespace anemll {

double lr_multiplier(const ScheduleOptions& options, std::int64_t completed) {
  const auto n = static_cast<double>(completed);
  const auto warmup = static_cast<double>(options.warmup_steps);
  if (completed < options.warmup_steps) return n / std::max(1.0, warmup);
  if (!options.cosine) return 1.0;
  const double span = std::max(1.0, static_cast<double>(options.max_steps) - warmup);
  // Past the end the cosine would rise again; a run extended by hand stays at the bottom instead.
  const double progress = std::min(1.0, (n - warmup) / span);
  return options.min_lr_ratio +
         (1.0 - options.min_lr_ratio) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

double annealed_weight(double start, std::optional<double> end, std::int64_t completed,
                       std::int64_t max_steps) {
  if (!end) return start;
  const double progress =
      max_steps > 0 ? static_cast<double>(completed) / static_cast<double>(max_steps) : 1.0;
  return start + (*end - start) * std::min(1.0, progress);
}

ScheduleOptions schedule_of(const TrainOptions& o) {
  return {o.warmup_steps, o.max_steps, !o.constant_lr, o.min_lr_ratio};
}

}  // namespace anemll
