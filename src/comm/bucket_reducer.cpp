// Cuts the gradient buffer into buckets from its end and starts their sums in that order. Owns the
// bookkeeping only: memory is the caller's, the sums are the communicator's.
#include "src/comm/bucket_reducer.hpp"

#include <stdexcept>
#include <string>

namespace anemll {
namespace {

/// A contiguous range of the buffer and of the parameters.
struct Bucket {
  float* data = nullptr;
  std::size_t count = 0;
  std::size_t parameters = 0;
  std::size_t missing = 0;  ///< parameters whose gradient is not final yet
};

[[noreturn]] void throw_misuse(const std::string& what) {
  throw std::logic_error("BucketReducer: " + what);
}

}  // namespace

struct BucketReducer::Impl {
  Communicator& comm;
  bool overlap;                        ///< false: everything waits for finish()
  std::vector<Bucket> buckets;         ///< in the order of their start
  std::vector<std::size_t> bucket_of;  ///< by parameter
  std::vector<bool> is_ready;          ///< by parameter
  std::vector<std::unique_ptr<PendingReduce>> pending;
  bool armed = false;
  void* stream = nullptr;

  void start_next() {
    const Bucket& bucket = buckets[pending.size()];
    pending.push_back(comm.all_reduce_async(bucket.data, bucket.count, stream));
  }
};

BucketReducer::BucketReducer(Communicator& comm, float* buffer, std::span<const std::int64_t> sizes,
                             std::size_t bucket_bytes)
    : impl_(new Impl{comm, bucket_bytes > 0, {}, {}, {}, {}, false, nullptr}) {
  std::vector<Bucket>& buckets = impl_->buckets;
  impl_->bucket_of.resize(sizes.size());
  impl_->is_ready.resize(sizes.size());
  std::size_t offset = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0) throw_misuse("a parameter has a negative size");
    offset += static_cast<std::size_t>(size);
  }
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const auto count = static_cast<std::size_t>(sizes[i]);
    offset -= count;
    const bool full =
        bucket_bytes > 0 && !buckets.empty() && (buckets.back().count + count) * sizeof(float) > bucket_bytes;
    if (buckets.empty() || full) buckets.emplace_back();
    Bucket& bucket = buckets.back();
    bucket.data = buffer + offset;
    bucket.count += count;
    ++bucket.parameters;
    impl_->bucket_of[i] = buckets.size() - 1;
  }
}

BucketReducer::~BucketReducer() = default;

void BucketReducer::begin(void* stream) {
  if (impl_->armed) throw_misuse("begin() before finish() of the last pass");
  impl_->armed = true;
  impl_->stream = stream;
  impl_->is_ready.assign(impl_->is_ready.size(), false);
  for (Bucket& bucket : impl_->buckets) bucket.missing = bucket.parameters;
}

void BucketReducer::ready(std::size_t index) {
  if (!impl_->armed) throw_misuse("ready() outside of begin() and finish()");
  if (index >= impl_->is_ready.size()) throw_misuse("no parameter " + std::to_string(index));
  if (impl_->is_ready[index]) throw_misuse("parameter " + std::to_string(index) + " is ready twice");
  impl_->is_ready[index] = true;
  --impl_->buckets[impl_->bucket_of[index]].missing;
  if (!impl_->overlap) return;
  while (impl_->pending.size() < impl_->buckets.size() &&
         impl_->buckets[impl_->pending.size()].missing == 0) {
    impl_->start_next();
  }
  if (!impl_->pending.empty()) impl_->comm.progress();
}

void BucketReducer::finish() {
  if (!impl_->armed) throw_misuse("finish() without begin()");
  while (impl_->pending.size() < impl_->buckets.size()) impl_->start_next();
  for (const auto& reduction : impl_->pending) reduction->wait();
  for (const auto& reduction : impl_->pending) reduction->settle();
  impl_->pending.clear();
  impl_->armed = false;
}

std::size_t BucketReducer::bucket_count() const {
  return impl_->buckets.size();
}

}  // namespace anemll
