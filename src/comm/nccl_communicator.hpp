// The NCCL communicator with its limits, for those who know how long a job may wait.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "src/comm/watchdog.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace anemll {

/// How long a rank waits for NCCL, in seconds, before that is an error.
struct NcclLimits {
  double init_s;  ///< connecting all ranks
  double call_s;  ///< a sum, from its start on the device to its end; and the end of the communicator
};

/// Behind the watchdog's, which end a job that hangs before and name the rank: a peer may work for as long as
/// its phase lets it, and NCCL does not know the phase.
inline NcclLimits nccl_limits(const WatchLimits& limits) {
  const auto seconds = [](double limit) {
    return limit == 0 ? std::numeric_limits<double>::infinity() : limit;
  };
  return {seconds(limits.init), std::max({seconds(limits.init), seconds(limits.step), seconds(limits.work)})};
}

/// As make_nccl_communicator of the public header, which takes the limits of WatchLimits' defaults.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device,
                                                     const NcclLimits& limits);

}  // namespace anemll
