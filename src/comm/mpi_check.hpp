// Turns MPI return codes into communication errors with MPI's own words, and paces polling loops.
#pragma once

#include <chrono>

namespace anemll {

/// Throws a communication error naming `call` when `code` is not MPI_SUCCESS.
void check_mpi(int code, const char* call);

/// Between two tests of a request: first gives the core away, later sleeps, so that a rank that waits long
/// (for rank 0 to write a file, say) leaves the processor to those that work.
class Backoff {
 public:
  void pause();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point started_ = Clock::now();
};

}  // namespace anemll
