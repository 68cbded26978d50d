// Ends a job that stands still, and says who keeps it: a thread of each rank that looks whether its rank gets
// on, and tells rank 0's. It calls no MPI, NCCL or CUDA. See README.md, Watchdog.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

namespace anemll {

/// How long a rank may be without a sign of life, by what it does. Seconds; 0: for ever.
struct WatchLimits {
  double init = 600;   ///< from the start to the first step
  double step = 120;   ///< in and between steps, but at least ten times the median step
  double work = 1800;  ///< evaluation, files, and whatever one rank does for all
  const char* options = "--init-timeout, --step-timeout or --work-timeout";  ///< what sets them
};

/// Which of them counts.
enum class WatchLimit : std::uint8_t { init, step, work };

class Watchdog {
 public:
  /// `dumps`: the folder of the dumps, made when there is one. The phase is "start". Collective.
  Watchdog(Communicator& comm, const WatchLimits& limits, std::filesystem::path dumps);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Runs `body` with `world`, its collectives recorded. Errors leave dumps: see README.md.
  void guard(Communicator& world, const std::function<void(Communicator&)>& body);
  /// `inner`, with its collectives recorded. Must be gone before the watchdog is.
  std::unique_ptr<Communicator> record(Communicator& inner);

  /// From now on the rank is in this phase (a literal), which is a sign of life.
  void enter(const char* phase, WatchLimit limit);
  /// A training step has ended.
  void step_done(std::int64_t step, double seconds);
  /// Writes what this rank last did; a failure is a warning. `reason`: "error".
  void dump(std::string_view reason);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
