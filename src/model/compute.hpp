// Where and with how many threads a program computes: choices that every program makes alike.
#pragma once

#include <string>

#include <c10/core/Device.h>

namespace anemll {

/// `wanted`: auto, cpu or cuda. `auto` takes this host's GPU number `local_rank` when there is one and
/// `usable` says that the ranks could work together on GPUs. A usage error when cuda is wanted and absent.
at::Device choose_device(const std::string& wanted, int local_rank, bool usable);

/// Intra-op threads of this process: `wanted`, or for 0 the share of `local_ranks` ranks in the processors of
/// this host. Returns the number set; warns when there are fewer processors.
int set_compute_threads(int wanted, int local_ranks);

}  // namespace anemll
