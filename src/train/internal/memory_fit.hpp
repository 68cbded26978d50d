// Whether a run fits into the memory of its hosts, and the batch that does. Ranks of a host are looked at
// together.
#pragma once

#include "src/train/internal/assembly.hpp"
#include "src/train/internal/memory_plan.hpp"

#include <cstdint>

namespace anemll {

/// What the ranks of one host may use.
struct HostRoom {
  int ranks = 1;           ///< of the job on this host
  bool root = false;       ///< rank 0 is among them
  std::int64_t bytes = 0;  ///< for all of them, with what they hold already; 0: unknown
  std::int64_t limit = 0;  ///< what the machine, its control group or --memory-limit has; 0: unknown
};

/// Bytes that the ranks of a host need together.
std::int64_t host_bytes(const MemoryFacts& facts, std::int64_t batch_size, const HostRoom& room);

/// The largest batch that fits with a tenth to spare: equally many whole rows for each rank, and no more than
/// the cache has. 0 when not even one row a rank fits.
std::int64_t largest_batch(const MemoryFacts& facts, const HostRoom& room);

/// Settles `auto` of --batch-size in the run's options and in their text, tells the plan, and refuses a run
/// that does not fit: a usage error that names the largest batch and who holds memory, or with --force a
/// warning. A run that goes on keeps its batch. Looks at host memory only: not at that of GPUs. Collective.
void settle_memory(Assembly& run, const Architecture& architecture, const SourcePlan& source, bool gguf);

}  // namespace anemll
