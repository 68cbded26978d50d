// How long a rank has been without a sign of life, by a clock that leaves out what is not its fault.
#pragma once

#include <algorithm>

namespace anemll {

class IdleTime {
 public:
  /// Seconds since the last tick; of them, those for which the rank's own thread was ready to run and no core
  /// was free. They do not count, unless the rank waits for others: polling for a message is no work that a
  /// core would speed up.
  void tick(double elapsed_s, double without_core_s, bool waits) {
    const double counted = std::min(elapsed_s, kLongestTick_s);
    now_s_ += counted;
    if (!waits) sign_at_s_ = std::min(now_s_, sign_at_s_ + std::max(without_core_s, 0.0));
  }
  void sign() { sign_at_s_ = now_s_; }

  double now_s() const { return now_s_; }
  double idle_s() const { return now_s_ - sign_at_s_; }

 private:
  static constexpr double kLongestTick_s =
      2;  // a longer one: the whole process was stopped, which is not its fault
  double now_s_ = 0;
  double sign_at_s_ = 0;
};

}  // namespace anemll
