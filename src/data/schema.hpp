// The schema of a KD cache: which datasets a shard holds for which shape, and the index of a folder. The
// columns themselves are in kd_columns.hpp.
// Described for people in README.md beside this file. Knows no HDF5 calls and no JSON types.
#pragma once

#include "anemll/data/kd_columns.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

inline constexpr std::string_view kCacheFormat = "anemll_kd_cache";
inline constexpr std::int64_t kCacheVersion = 1;
inline constexpr std::string_view kIndexName = "index.json";
inline constexpr std::string_view kTorchCacheFormat = "qwen_kd_topk_cache_v1";

// Hints of several readers: what may be behind a fault, and every way to a good cache.
inline constexpr const char* kMakeAgain =
    "make the cache again, with anemll_precompute or, from its .pt shards, with anemll_cache import";
inline constexpr const char* kIndexHint =
    "the index was edited, cut off by a copy or damaged: copy the cache again, or make it again with "
    "anemll_precompute or anemll_cache import";
inline constexpr const char* kShardHint =
    "the shard was cut off by a copy, changed by another program or damaged: copy the cache again, or make "
    "it "
    "again with anemll_precompute or anemll_cache import";
inline constexpr const char* kOtherCacheHint =
    "the shard belongs to another cache, as after a copy of some of the files: copy the whole cache again, "
    "or make "
    "it again with anemll_precompute or anemll_cache import";

/// A column in a cache of one shape.
struct DatasetSpec {
  std::string name;
  const KdColumn* column = nullptr;
  std::vector<std::int64_t> row_shape;

  DType dtype() const { return column->dtype; }
  std::int64_t row_elements() const;
  std::size_t row_bytes() const { return static_cast<std::size_t>(row_elements()) * size_of(dtype()); }
  /// [rows, ...]
  std::vector<std::int64_t> extent(std::int64_t rows) const;
  /// "int32[64, 31, 16]" for messages.
  std::string describe(std::int64_t rows) const;
};

/// The datasets of a shard in the order of the table, which is also the order of hashing.
std::vector<DatasetSpec> datasets_of(const CacheShape& shape);

/// Fills in the sizes and the listed columns of `shape` from what a file has; returns its rows.
/// `contains` says whether a column is there. `extent` gives [rows, ...] of one that has to be; it throws
/// when it is missing or has not as many dimensions as a row has sizes, and one.
std::int64_t read_sizes(CacheShape& shape, const std::function<bool(const KdColumn&)>& contains,
                        const std::function<std::vector<std::int64_t>(const KdColumn&)>& extent);

/// Digest of a shard from the digests of its datasets in canonical order.
std::string shard_digest(const std::vector<DatasetSpec>& specs, std::int64_t rows,
                         const std::vector<std::string>& digests);

struct ShardEntry {
  std::string file;
  std::int64_t rows = 0;
  std::string sha256;
};

struct CacheIndex {
  CacheShape shape;
  bool all_attended = true;
  std::vector<ShardEntry> shards;
  std::vector<ShardEntry> holdout;  // rows kept out of training; may be empty
  std::string meta_json = "{}";     // provenance with the reference's meta.json keys
  std::string source_json = "{}";   // what it was made from: {"format", "fingerprint", ...}

  std::int64_t sequences() const;  // of `shards`
  std::int64_t holdout_sequences() const;
  std::string fingerprint() const;
};

std::string write_index(const CacheIndex& index);
/// Data errors name `where` and the key.
CacheIndex parse_index(std::string_view text, const std::filesystem::path& where,
                       ColumnTable columns = kd_columns());

/// "shard_00003.h5"; shards of the hold-out part begin with "holdout".
std::string shard_name(std::int64_t number, std::string_view extension, std::string_view stem = "shard");

}  // namespace anemll
