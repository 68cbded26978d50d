// Reduces one flat gradient buffer in buckets while backward still runs: a bucket starts when the last of
// its parameters has its gradient. Buckets are contiguous ranges of the buffer, filled from its end,
// because backward finishes the last layers first.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace anemll {

class BucketReducer {
 public:
  /// `sizes[i]` floats belong to parameter i, in buffer order, without gaps.
  /// `bucket_bytes` 0: one bucket, reduced in finish(), the reference that overlap is tested against.
  BucketReducer(Communicator& comm, float* buffer, std::span<const std::int64_t> sizes,
                std::size_t bucket_bytes);
  ~BucketReducer();

  /// Arms the reducer for one backward pass.
  void begin(void* stream = nullptr);
  /// Parameter `index` is final. Starts its bucket when complete; buckets start in the same order on all
  /// ranks (from the buffer's end), whatever the order of the calls.
  void ready(std::size_t index);
  /// Starts what is left (parameters that got no gradient) and waits for all buckets. So does the host where
  /// a device sums: the next thing is to read a norm of the sums, and a read that waits has no time limit.
  void finish();

  std::size_t bucket_count() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
