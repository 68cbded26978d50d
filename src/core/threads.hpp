// How many threads a process computes with: what the user says, else its fair share of what the system
// allows.
#pragma once

#include <optional>
#include <string>

namespace anemll {

struct ProcessorLimits {
  int affinity = 1;             ///< processors in the affinity mask
  bool bound = false;           ///< the mask is narrower than that of the process that started this one
  std::optional<double> quota;  ///< CPU time per time of the control group
};

struct ThreadChoice {
  int threads = 1;
  std::string reason;   ///< what decided, for a log line
  std::string warning;  ///< empty when there is nothing to say
};

/// In this order: `wanted` (0: not said), OMP_NUM_THREADS (`omp_variable`, null or empty: not set; the first
/// number of a list counts), the share of `local_ranks` ranks in the smaller of affinity mask and quota, at
/// least
/// 1. A mask that was given to this rank alone is not shared.
ThreadChoice choose_threads(int wanted, const char* omp_variable, int local_ranks,
                            const ProcessorLimits& limits);

}  // namespace anemll
