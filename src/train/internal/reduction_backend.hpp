// Who sums the gradients of the ranks.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/train/train_options.hpp"

#include <memory>
#include <string>

#include <c10/core/Device.h>

namespace anemll {

/// What --backend comes to, and why.
struct ReductionBackend {
  BackendChoice choice = BackendChoice::mpi;  ///< mpi or nccl
  std::string why;                            ///< "the ranks compute on CPUs"
};
/// One rank has nothing to sum, whatever is wanted: mpi. `has_nccl`: of this build. A usage error for NCCL
/// without GPUs or without NCCL.
ReductionBackend choose_backend(BackendChoice wanted, int ranks, at::Device device, bool has_nccl);
/// "gradients are summed by mpi: the ranks compute on CPUs"
std::string tell(const ReductionBackend& backend, int ranks);

/// Sums of `comm`, which takes host memory only, for buffers of `device`: each is copied to the host, summed
/// there in rank order, and copied back at its wait(). Everything else is `comm`'s own. `comm` must outlive
/// it.
std::unique_ptr<Communicator> make_staged_communicator(Communicator& comm, at::Device device);

}  // namespace anemll
