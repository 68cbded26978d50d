// What differs between operating systems and processors; everything else in the project is plain POSIX.
#pragma once

#include "src/core/threads.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace anemll {

/// Highest resident set of this process so far, in bytes.
std::uint64_t peak_resident_bytes();
/// What this process may use of the machine's processors: affinity mask and CPU quota.
ProcessorLimits processor_limits();
/// The file of this program, with all links followed; empty where the system does not tell.
std::filesystem::path program_file();
/// The name of this host, "this host" where it has none.
std::string host_name();
/// Seconds of processor time that this process has had so far, over all threads.
double processor_s();
/// Whether another thread of this process runs or would run if a core were free; false where the system does
/// not tell.
bool other_thread_is_ready();
/// What the processors call themselves, "a processor" where the system does not tell.
std::string processor_name();
/// The machine's memory in bytes; 0 where the system does not tell. What of it may be used: memory.hpp.
std::uint64_t physical_memory_bytes();
/// Whether the CPU multiplies bfloat16 natively, so that bf16 GEMMs are faster than fp32 ones.
bool cpu_has_bf16();
/// Whether Intel made the CPU, so that the BLAS of LibTorch (MKL) knows all its modes there.
bool cpu_is_intel();

}  // namespace anemll
