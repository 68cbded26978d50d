// `auto` values are decided here, by the options first and the machine second.
#include "src/train/internal/machine_choices.hpp"

#include "anemll/comm/communicator.hpp"
#include "src/core/platform.hpp"
#include "src/model/compute.hpp"

namespace anemll {

at::Device choose_device(const TrainOptions& options, int local_rank, int world_size) {
  const bool sums = world_size == 1 || nccl_available() || options.backend == BackendChoice::mpi;
  return choose_device(options.device, local_rank, sums);
}

at::ScalarType choose_compute(const TrainOptions& options, at::Device device) {
  if (options.precision == Precision::fp32) return at::kFloat;
  if (options.precision == Precision::bf16) return at::kBFloat16;
  if (options.v1 && options.dtype == RunDtype::fp32) return at::kFloat;
  if (!options.mixed_precision) return options.dtype == RunDtype::bf16 ? at::kBFloat16 : at::kFloat;
  return device.is_cuda() || cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
}

bool choose_ste(const TrainOptions& options) {
  if (options.v1) return false;  // V1 layers round nothing
  if (options.ste != SteChoice::automatic) return options.ste == SteChoice::on;
  return options.dtype == RunDtype::fp32;
}

int set_threads(const TrainOptions& options, int local_rank, int local_ranks) {
  return set_compute_threads(static_cast<int>(options.threads), local_rank, local_ranks);
}

}  // namespace anemll
