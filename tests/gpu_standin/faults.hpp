// What goes wrong, by a test's wish: set by a rank's thread, taken over by the next communicator that this
// thread makes. Each rank of a test has its own.
#pragma once

#include <chrono>
#include <cstdint>

namespace anemll::standin {

inline constexpr std::int64_t kNever = -1;

struct Faults {
  bool id_fails = false;               ///< ncclGetUniqueId
  bool init_fails = false;             ///< ncclCommInitRankConfig, behind its "in progress"
  int polls = 2;                       ///< so often each call is answered "in progress" before it is settled
  bool stuck_in_progress = false;      ///< calls behind the first stay in progress for ever
  std::chrono::microseconds delay{0};  ///< before this rank's part of each sum
  std::int64_t error_at = kNever;      ///< this sum ends the communicator with an error of a peer
  std::int64_t absent_from = kNever;   ///< from this sum on, this rank does not come
};

/// For the calling thread.
void set_faults(const Faults& faults);
Faults faults();

/// Devices that a process has; device i is the same GPU for all ranks. 4 where it was not said.
void set_device_count(int count);

}  // namespace anemll::standin
