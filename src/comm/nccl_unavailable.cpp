// Stands in for nccl_communicator.cpp in builds without CUDA: says how to get the real one.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/comm/nccl_communicator.hpp"

namespace anemll {

bool nccl_available() {
  return false;
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator&, int, const NcclLimits&) {
  throw_usage("this build has no NCCL backend", "nccl",
              "reconfigure with -DANEMLL_WITH_CUDA=ON on a machine with the CUDA toolkit and NCCL, or use "
              "the mpi backend");
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device) {
  return make_nccl_communicator(bootstrap, device, nccl_limits(WatchLimits{}));
}

}  // namespace anemll
