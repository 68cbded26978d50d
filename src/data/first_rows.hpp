// The first sequences of a cache, for programs that look at a few.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/data/cache_tokens.hpp"

#include <cstdint>
#include <filesystem>

namespace anemll {

/// The first `count` sequences of a part of a cache (HDF5, or .pt shards that are imported once under
/// `work_dir`), all of them where it has fewer. Data errors: ids that the model has not, or that are another
/// vocabulary's (cache_tokens.hpp).
KdBatch read_first_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                        std::int64_t count, const ModelIds& ids, CachePart part = CachePart::training);

/// The same of a cache whose tokens somebody has looked at already, such as rank 0 for all: a tokenizer need
/// not be read once more.
KdBatch read_checked_rows(const std::filesystem::path& cache, const std::filesystem::path& work_dir,
                          std::int64_t count, std::int64_t vocab_size, CachePart part = CachePart::training);

}  // namespace anemll
