// What differs between operating systems and processors; everything else in the project is plain POSIX.
#pragma once

#include <cstdint>

namespace anemll {

/// Highest resident set of this process so far, in bytes.
std::uint64_t peak_resident_bytes();
/// Resident set now, in bytes (0 where the system does not tell).
std::uint64_t resident_bytes();
/// Processors this process may run on (its affinity mask, not the machine's count).
int usable_processors();
/// Whether the CPU multiplies bfloat16 natively, so that bf16 GEMMs are faster than fp32 ones.
bool cpu_has_bf16();
/// Gives freed memory back to the system, where the allocator offers that.
void trim_memory();

}  // namespace anemll
