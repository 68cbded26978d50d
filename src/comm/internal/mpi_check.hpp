// Turns MPI return codes into communication errors with MPI's own words, and paces polling loops.
#pragma once

#include <chrono>

namespace anemll {

/// Throws a communication error naming `call` when `code` is not MPI_SUCCESS.
void check_mpi(int code, const char* call);

/// Between two tests of a request: gives the core away for a moment, then sleeps. A yielding rank still takes
/// its turns from the ranks that work where ranks outnumber cores, and a wait that is not over after some
/// hundred microseconds lasts longer than a sleep is late.
class Backoff {
 public:
  void pause();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point started_ = Clock::now();
};

}  // namespace anemll
