// What options mean on the machine of this rank: device, precision, threads.
#pragma once

#include "anemll/train/train_options.hpp"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace anemll {

/// `local_rank` picks the GPU; several ranks take one only where NCCL is built in or --backend is mpi. A
/// usage error when cuda is asked for and absent.
at::Device choose_device(const TrainOptions& options, int local_rank, int world_size);
/// Of the GEMMs.
at::ScalarType choose_compute(const TrainOptions& options, at::Device device);
/// Half rounding with straight-through gradients.
bool choose_ste(const TrainOptions& options);
/// Sets LibTorch's thread count for this rank and returns it.
int set_threads(const TrainOptions& options, int local_rank, int local_ranks);

}  // namespace anemll
