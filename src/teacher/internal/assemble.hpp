// Finished micro-batches to shards, shards to a cache. Rank 0 only, on the thread that calls HDF5.
#pragma once

#include "src/teacher/internal/plan.hpp"
#include "src/teacher/internal/unit_store.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace anemll {

/// Writes one shard under a temporary name and renames it. Returns the units that could not be read (damaged
/// after they were written); then nothing was made.
std::vector<Unit> assemble_shard(const Plan& plan, const ShardPlan& shard, const UnitStore& store,
                                 std::span<const std::int32_t> tokens, const std::filesystem::path& cache);

/// Whether the shard is there and is the plan's.
bool shard_is_made(const Plan& plan, const ShardPlan& shard, const std::filesystem::path& cache);

/// Removes what the plan does not name, such as temporary files of a killed run: they would be published too.
void remove_unplanned(const Plan& plan, const std::filesystem::path& cache);

/// index.json over the shards that are there: the cache is complete.
void write_cache_index(const Plan& plan, const std::filesystem::path& cache);

}  // namespace anemll
