// Reads batches ahead of the training loop: one thread (the only one of this rank that calls HDF5), a
// bounded queue, errors delivered where the batch would have been.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/data/order.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace anemll {

class Prefetcher {
 public:
  struct Options {
    int rank = 0;
    int world = 1;
    std::int64_t first_step = 0;  ///< global micro-step to start at: the whole loader state
    PayloadSet payloads;
    std::size_t depth = 4;
    std::int64_t vocab_size = 0;  ///< of the model, for KdCache::require_vocabulary; 0: not checked
    ColumnTable columns = kd_columns();
  };
  /// Opens and validates the cache on the reader thread; errors are thrown here. Reads no batch before start.
  Prefetcher(const std::filesystem::path& cache, Options options);
  /// Opens and starts.
  Prefetcher(const std::filesystem::path& cache, const OrderKind& order, std::int64_t batch_size,
             std::uint64_t seed, Options options);
  ~Prefetcher();

  /// Begins to read ahead. Once, before order() and next().
  void start(const OrderKind& order, std::int64_t batch_size, std::uint64_t seed);

  const KdCacheInfo& info() const;
  const SampleOrder& order() const;
  /// The next micro-step's batch; waits for it. `wait_seconds` accumulates the time spent waiting.
  KdBatch next();
  double wait_seconds() const;
  /// Rows [first, first + count) in file order, read on the reader thread between prefetches (evaluation).
  KdBatch read_rows(std::int64_t first, std::int64_t count, PayloadSet payloads = {});
  /// The same of the hold-out part. A data error when it has fewer rows, or there is none.
  KdBatch read_holdout(std::int64_t first, std::int64_t count, PayloadSet payloads = {});
  KdBatch read_holdout(std::vector<std::int64_t> rows, PayloadSet payloads = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
