// Ends a rank that waits for others before there is a watchdog: in MPI's own start, while options are shared,
// while the watchdogs meet. A thread of its own; it calls no MPI.
#pragma once

#include <thread>

namespace anemll {

/// Seconds: the variable ANEMLL_INIT_TIMEOUT, since options are not read yet; else 600. 0: for ever.
double start_limit_s();

/// The number that the launcher gave to this process; 0 without one. For the time before MPI tells.
int launched_rank();

/// From its making to its end the rank waits for others. Should that take longer than `limit_s`, a text names
/// rank, host and `where` (a literal), and the process ends with code 4.
class StartTimer {
 public:
  StartTimer(const char* where, int rank, double limit_s = start_limit_s());
  ~StartTimer();
  StartTimer(const StartTimer&) = delete;
  StartTimer& operator=(const StartTimer&) = delete;

 private:
  std::jthread thread_;  ///< none without a limit
};

}  // namespace anemll
