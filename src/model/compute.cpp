#include "src/model/compute.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/platform.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cstdlib>

#include <ATen/Context.h>

namespace anemll {

at::Device choose_device(DeviceChoice wanted, int local_rank, bool usable) {
  const bool have = at::hasCUDA();
  if (wanted == DeviceChoice::cuda && !have) {
    throw_usage("no GPU is visible to this build", "--device cuda",
                "configure with the cuda preset on a machine with a GPU, or use --device cpu");
  }
  const bool gpu = wanted == DeviceChoice::cuda || (wanted == DeviceChoice::automatic && have && usable);
  if (!gpu) return at::Device(at::kCPU);
  // More ranks than GPUs share them where MPI sums; NCCL refuses that with a table of who has which.
  const int gpus = std::max(1, static_cast<int>(at::getNumGPUs()));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(local_rank % gpus));
}

int set_compute_threads(int wanted, int local_rank, int local_ranks) {
  const ThreadChoice choice =
      choose_threads(wanted, std::getenv("OMP_NUM_THREADS"), local_ranks, processor_limits());
  if (local_rank == 0 && !choice.warning.empty()) log_warning(choice.warning);
  log_info(strf("threads per rank: %d (%s)", choice.threads, choice.reason.c_str()));
  kernels::set_threads(choice.threads);
  return choice.threads;
}

}  // namespace anemll
