// What a run will make, fixed at its first start: the identity that a resumed run must share, the shape of
// the cache, and the cut of its rows into shards and micro-batches. Nothing in it depends on the number of
// ranks.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/data/schema.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

/// One global micro-batch: the unit of work, of loss when a run is killed, and of bitwise equality.
struct Unit {
  std::int64_t first = 0;  ///< row in the token file
  std::int64_t rows = 0;
};

struct ShardPlan {
  std::string file;  ///< "shard_00000.h5", "holdout_00000.h5"
  CachePart part = CachePart::training;
  std::int64_t rows = 0;
  std::vector<Unit> units;
};

struct Plan {
  std::string identity_json = "{}";  ///< options, teacher and tokenizer; equal or not resumable
  std::string meta_json = "{}";      ///< provenance for the cache
  std::string tokens_sha256;
  CacheShape shape;
  std::int64_t rows = 0;          ///< training
  std::int64_t holdout_rows = 0;  ///< the rows of the token file after them
  std::int64_t batch_size = 1;
  std::int64_t shard_rows = 0;  ///< a multiple of batch_size
  std::int64_t threads = 1;     ///< of each rank at the first start
  bool replace = false;         ///< an output folder that is there is to be replaced

  std::vector<ShardPlan> shards() const;
  /// Digest of the identity: finished caches carry it.
  std::string id() const;
};

/// The id of a plan with this identity.
std::string plan_id(const std::string& identity_json);

std::string write_plan(const Plan& plan);
/// Data errors name `where`.
Plan parse_plan(std::string_view text, const std::filesystem::path& where);

/// A usage error that lists the keys in which the two differ; returns when they do not. `earlier`, if not
/// empty, stands for `wanted` where `made` names the teacher by the same rule.
void require_same_identity(const std::string& made, const std::string& wanted, const std::string& earlier,
                           const std::filesystem::path& where);

}  // namespace anemll
