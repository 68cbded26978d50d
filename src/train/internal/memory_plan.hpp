// What a run will need of memory, estimated from shapes alone: before the model is loaded. A run does not
// need everything at once, so each item has a time, and the whole is what lasts plus the largest time.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/internal/source_plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <c10/core/ScalarType.h>

namespace anemll {

/// When an item is held.
enum class MemoryTime { always, start, step, evaluation, inspection, saving };

struct MemoryItem {
  std::string name;
  std::int64_t bytes = 0;  ///< of one rank
  MemoryTime when = MemoryTime::always;
};

struct MemoryPlan {
  std::int64_t ranks = 1;
  std::int64_t tokens = 0;  ///< per rank and micro-step
  std::vector<MemoryItem> items;

  /// Held at that time, with what is always held.
  std::int64_t bytes_at(MemoryTime when) const;
  /// The time that needs most.
  MemoryTime peak() const;
  std::int64_t total_bytes() const { return bytes_at(peak()); }
  std::string text() const;  ///< one line per item by time, the total last
};

/// What the plan follows from. The options' batch size may be `auto`: plan_memory is given one.
struct MemoryFacts {
  const TrainOptions& options;
  const Architecture& architecture;
  const KdCacheInfo& cache;
  const SourcePlan& source;
  int ranks = 1;
  at::ScalarType compute = at::kFloat;
  bool gguf = false;    ///< quantised weights of such a file are widened in memory
  bool starts = false;  ///< by a text: --init
};

/// Of one rank when a micro-step has `batch_size` sequences over all ranks. Rank 0 gathers and inspects, so
/// it may need more than the others.
MemoryPlan plan_memory(const MemoryFacts& facts, std::int64_t batch_size, bool root);

}  // namespace anemll
