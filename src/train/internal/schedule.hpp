// Learning-rate schedule and hard-label annealing: pure functions of the number of completed updates.
#pragma once

#include "anemll/train/train_options.hpp"

#include <cstdint>
#include <optional>

namespace anemll {

struct ScheduleOptions {
  std::int64_t warmup_steps = 100;
  std::int64_t max_steps = 1000;
  bool cosine = true;         ///< false: constant after the warm-up
  double min_lr_ratio = 0.1;  ///< where the cosine would arrive at max_steps
};
ScheduleOptions schedule_of(const TrainOptions& options);

/// Multiplier of the learning rate for the update that follows `completed` ones: the first update of a
/// warm-up has 0, update warmup_steps + 1 the peak, and the last update (completed = max_steps - 1) stays
/// just above min_lr_ratio.
double lr_multiplier(const ScheduleOptions& options, std::int64_t completed);

/// start + (end - start) * min(1, completed / max_steps); `start` throughout when there is no end value.
double annealed_weight(double start, std::optional<double> end, std::int64_t completed,
                       std::int64_t max_steps);

}  // namespace anemll
