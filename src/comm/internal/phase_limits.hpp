// For how long a rank may be without a sign of life, by its phase and by the steps that it has done. No
// clocks here.
#pragma once

#include "src/comm/watchdog.hpp"

#include <array>
#include <cstddef>

namespace anemll {

class PhaseLimits {
 public:
  explicit PhaseLimits(const WatchLimits& limits) : limits_(limits) {}

  /// A training step has ended.
  void step_done(double seconds) { took_s_.at(steps_++ % kTimedSteps) = seconds; }

  /// Seconds; 0: for ever. A step may take ten times the median of the last ones, the first as long as a
  /// start.
  double of(WatchLimit limit) const;

 private:
  static constexpr double kMedianSteps = 10;
  static constexpr std::size_t kTimedSteps = 31;

  WatchLimits limits_;
  std::array<double, kTimedSteps> took_s_{};
  std::size_t steps_ = 0;
};

}  // namespace anemll
