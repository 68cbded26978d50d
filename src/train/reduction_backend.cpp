#include "src/train/internal/reduction_backend.hpp"

#include "anemll/core/error.hpp"

namespace anemll {

ReductionBackend choose_backend(BackendChoice wanted, int ranks, at::Device device, bool has_nccl) {
  if (wanted == BackendChoice::nccl) {
    if (device.is_cpu())
      throw_usage("NCCL sums memory of GPUs, and this run computes on the CPU", "--backend nccl",
                  "use --backend auto; or --device cuda on a machine with GPUs");
    if (!has_nccl)
      throw_usage("this build has no NCCL", "--backend nccl",
                  "configure with the cuda preset, or use --backend mpi");
    if (ranks > 1) return {BackendChoice::nccl, "--backend says so"};
  }
  if (ranks == 1) return {BackendChoice::mpi, "there is one rank, and nothing to sum"};
  if (wanted == BackendChoice::mpi) return {BackendChoice::mpi, "--backend says so"};
  if (device.is_cpu()) return {BackendChoice::mpi, "the ranks compute on CPUs"};
  if (!has_nccl) return {BackendChoice::mpi, "this build has no NCCL: sums pass through the host's memory"};
  return {BackendChoice::nccl, "each rank has a GPU"};
}

std::string tell(const ReductionBackend& backend, int ranks) {
  return "gradients are summed by " + (ranks == 1 ? "nobody" : choice_name(backend.choice)) + ": " +
         backend.why;
}

}  // namespace anemll
