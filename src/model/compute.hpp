// Where and with how many threads a program computes: choices that every program makes alike.
#pragma once

#include "anemll/model/compute_options.hpp"

#include <c10/core/Device.h>

namespace anemll {

/// `automatic` takes this host's GPU number `local_rank` when there is one and `usable` says that the ranks
/// could work together on GPUs. A usage error when cuda is wanted and absent.
at::Device choose_device(DeviceChoice wanted, int local_rank, bool usable);

/// Sets the intra-op threads of this process by choose_threads (src/core/threads.hpp), logs what decided
/// and returns the number. What is wrong with it is wrong for all ranks of a host: the first of them warns.
int set_compute_threads(int wanted, int local_rank, int local_ranks);

}  // namespace anemll
