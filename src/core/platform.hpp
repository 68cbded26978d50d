// What differs between operating systems and processors; everything else in the project is plain POSIX.
#pragma once

#include "src/core/threads.hpp"

#include <cstdint>

namespace anemll {

/// Highest resident set of this process so far, in bytes.
std::uint64_t peak_resident_bytes();
/// What this process may use of the machine's processors: affinity mask and CPU quota.
ProcessorLimits processor_limits();
/// Memory that the processes of this host may use together, in bytes: the machine's, or less by control
/// group; 0 where the system does not tell.
std::uint64_t memory_limit_bytes();
/// Whether the CPU multiplies bfloat16 natively, so that bf16 GEMMs are faster than fp32 ones.
bool cpu_has_bf16();

}  // namespace anemll
