#include "src/comm/internal/phase_limits.hpp"

#include <algorithm>

namespace anemll {

double PhaseLimits::of(WatchLimit limit) const {
  switch (limit) {
    case WatchLimit::init:
      return limits_.init;
    case WatchLimit::work:
      return limits_.work;
    case WatchLimit::step:
      break;
  }
  if (limits_.step == 0) return 0;
  if (steps_ == 0) return limits_.init == 0 ? 0 : std::max(limits_.init, limits_.step);
  const auto timed = static_cast<std::ptrdiff_t>(std::min(steps_, kTimedSteps));
  std::array<double, kTimedSteps> sorted = took_s_;
  const auto middle = sorted.begin() + timed / 2;
  std::nth_element(sorted.begin(), middle, sorted.begin() + timed);
  return std::max(limits_.step, kMedianSteps * *middle);
}

}  // namespace anemll
