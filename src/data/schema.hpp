// The schema of a KD cache: which datasets a shard holds for which shape, and the index of a folder.
// Described for people in README.md beside this file. Knows no HDF5 calls and no JSON types.
#pragma once

#include "src/data/h5.hpp"

#include <cstdint>
#include <filesystem>
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

/// Everything that all shards of a cache have in common. Zero sizes mean that the payload is absent.
struct CacheShape {
  std::int64_t length = 0;     // L
  std::int64_t positions = 0;  // S
  std::int64_t topk = 0;       // K
  std::int64_t rand_neg = 0;   // R
  std::int64_t vocab_size = 0;
  bool lse_t1 = false;
  bool lse_train = false;
  double lse_train_temperature = 0;
  std::int64_t hidden = 0;  // H
  std::string head_sha256;  // of the language-model head that `hidden` belongs to

  bool operator==(const CacheShape&) const = default;
  /// "L 64, S 63, K 64, R 128, vocabulary 49152" plus payloads, for messages.
  std::string describe() const;
};

enum class Content { token_ids, mask, descending_logits, numbers };

struct DatasetSpec {
  std::string name;
  h5::Type type = h5::Type::other;
  std::vector<std::int64_t> row_shape;
  Content content = Content::numbers;

  std::int64_t row_elements() const;
  std::size_t row_bytes() const { return static_cast<std::size_t>(row_elements()) * h5::size_of(type); }
};

/// The datasets of a shard in canonical order, which is also the order of hashing. The first four are
/// input_ids, attention_mask, topk_idx, topk_logits; rand_idx and rand_logits follow when R > 0.
std::vector<DatasetSpec> datasets_of(const CacheShape& shape);

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
CacheIndex parse_index(std::string_view text, const std::filesystem::path& where);

/// "shard_00003.h5"; shards of the hold-out part begin with "holdout".
std::string shard_name(std::int64_t number, std::string_view extension, std::string_view stem = "shard");

}  // namespace anemll
