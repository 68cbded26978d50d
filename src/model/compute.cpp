#include "src/model/compute.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/platform.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>

#include <ATen/Context.h>

namespace anemll {

at::Device choose_device(const std::string& wanted, int local_rank, bool usable) {
  const bool have = at::hasCUDA();
  if (wanted == "cuda" && !have) {
    throw_usage("no GPU is visible to this build", "--device cuda",
                "configure with the cuda preset on a machine with a GPU, or use --device cpu");
  }
  if (wanted == "cpu" || !have || (!usable && wanted != "cuda")) return at::Device(at::kCPU);
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(local_rank));
}

int set_compute_threads(int wanted, int local_ranks) {
  const int usable = usable_processors();
  const int threads = wanted > 0 ? wanted : std::max(1, usable / std::max(1, local_ranks));
  if (threads > usable) {
    log_warning(
        strf("%d threads share %d processors: mpirun may have bound this rank (launch/mpirun.sh does not)",
             threads, usable));
  }
  kernels::set_threads(threads);
  return threads;
}

}  // namespace anemll
