// Reference cache folders (qwen_kd_topk_cache_v1): which files they have, and one .pt shard as tensors of
// the cache's schema. Reads only; writing is in torch_export.cpp.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/data/schema.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

struct TorchShardFiles {
  std::vector<std::filesystem::path> shards;  // shard_*.pt sorted by name
  std::vector<std::filesystem::path> others;  // other .pt files, which the reference would read as shards too
};
TorchShardFiles list_torch_shards(const std::filesystem::path& folder);

struct TorchShard {
  CacheShape shape;  // without the vocabulary
  std::int64_t rows = 0;
  std::vector<HostTensor> tensors;  // in the order of datasets_of(shape), contiguous, [rows, ...]
};
/// A shard that holds one example without a row dimension counts as one row. Data errors name file and
/// tensor.
TorchShard read_torch_shard(const std::filesystem::path& path, bool with_negatives,
                            ColumnTable columns = kd_columns());

struct TorchMeta {
  std::string json = "{}";
  std::int64_t vocab_size = 0;  // 0 when it is not said
};
/// meta.json of the folder, held against the shards' shape. A missing file gives a warning and empty values.
TorchMeta read_torch_meta(const std::filesystem::path& folder, const CacheShape& shape);

/// Digest over names, sizes and samples of the content of shards and meta.json; see README.md.
std::string fingerprint_torch_folder(const std::filesystem::path& folder);

}  // namespace anemll
