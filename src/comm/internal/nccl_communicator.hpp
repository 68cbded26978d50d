// The NCCL communicator with its limits, for those who cannot wait as long as a cluster may need.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <memory>

namespace anemll {

/// How long NCCL may be "in progress" before that is an error.
struct NcclLimits {
  double init_s = 600;  ///< connecting many hosts takes long
  double call_s = 120;  ///< enqueueing a sum; at the end also those under way
};

/// As make_nccl_communicator of the public header, which takes the limits that stand here.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device,
                                                     const NcclLimits& limits);

}  // namespace anemll
