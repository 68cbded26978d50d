// What a run will need of memory, estimated from shapes alone.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/train/train_options.hpp"
#include "src/train/internal/source_plan.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/ScalarType.h>

namespace anemll {

struct MemoryPlan {
  std::int64_t ranks = 1;
  std::int64_t tokens = 0;                                  ///< per rank and micro-step
  std::vector<std::pair<std::string, std::int64_t>> items;  ///< what, bytes of one rank

  std::int64_t total_bytes() const;
  std::string text() const;  ///< one line per item, the total last
};

MemoryPlan plan_memory(const TrainOptions& options, const Architecture& architecture,
                       const KdCacheInfo& cache, const SourcePlan& source, int world_size,
                       at::ScalarType compute);

}  // namespace anemll
