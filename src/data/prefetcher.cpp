// One reader thread that owns the cache, a bounded queue of finished batches, and one slot for a direct
// request. All shared state is under one mutex; the thread holds it only between reads.
#include "anemll/data/prefetcher.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace anemll {
namespace {

struct Request {
  std::vector<std::int64_t> rows;
  PayloadSet payloads;
  CachePart part = CachePart::training;
  std::promise<KdBatch> result;
};

std::vector<std::int64_t> successive(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(std::max(count, std::int64_t{0})));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

}  // namespace

struct Prefetcher::Impl {
  Options options;
  KdCacheInfo info;
  std::optional<SampleOrder> order;  // from start() on
  double waited_s = 0;               // the caller's thread only

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<KdBatch> queue;
  std::exception_ptr error;  // takes the place of all batches after the queued ones
  std::deque<Request> requests;
  bool stop = false;

  std::thread thread;

  void run(const std::filesystem::path& path, std::promise<void>& opened);
  void serve(KdCache& cache, const std::filesystem::path& path);
  KdBatch ask(std::vector<std::int64_t> rows, PayloadSet payloads, CachePart part);
};

// Opens the cache here, so that one thread alone calls HDF5, closing included.
void Prefetcher::Impl::run(const std::filesystem::path& path, std::promise<void>& opened) {
  std::optional<KdCache> cache;
  try {
    cache = KdCache::open(path, CachePart::training, options.columns);
    if (options.vocab_size > 0) cache->require_vocabulary(options.vocab_size);
    info = cache->info();
  } catch (...) {
    opened.set_exception(std::current_exception());
    return;
  }
  opened.set_value();
  serve(*cache, path);
}

void Prefetcher::Impl::serve(KdCache& cache, const std::filesystem::path& path) {
  std::optional<KdCache> holdout;  // opened when it is first asked for
  std::int64_t step = options.first_step;
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(
        lock, [&] { return stop || !requests.empty() || (order && !error && queue.size() < options.depth); });
    if (stop) return;
    if (!requests.empty()) {
      Request request = std::move(requests.front());
      requests.pop_front();
      lock.unlock();
      try {
        KdBatch batch;
        if (request.part == CachePart::holdout && !holdout) {
          holdout = KdCache::open(path, CachePart::holdout, options.columns);
          if (options.vocab_size > 0) holdout->require_vocabulary(options.vocab_size);
        }
        KdCache& source = request.part == CachePart::holdout ? *holdout : cache;
        source.read(request.rows, request.payloads, batch);
        request.result.set_value(std::move(batch));
      } catch (...) {
        request.result.set_exception(std::current_exception());
      }
      lock.lock();
      continue;
    }
    lock.unlock();
    KdBatch batch;
    std::exception_ptr failure;
    try {
      cache.read(order->rows(step, options.rank, options.world), options.payloads, batch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      error = failure;
    } else {
      queue.push_back(std::move(batch));
      ++step;
    }
    changed.notify_all();
  }
}

Prefetcher::Prefetcher(const std::filesystem::path& cache, Options options)
    : impl_(std::make_unique<Impl>()) {
  options.depth = std::max(options.depth, std::size_t{1});
  if (options.world < 1 || options.rank < 0 || options.rank >= options.world || options.first_step < 0) {
    throw_usage("rank, world and first step do not fit together", "Prefetcher", "");
  }
  impl_->options = options;
  std::promise<void> opened;
  std::future<void> ready = opened.get_future();
  // The thread owns its promise: this side may be gone before set_value has returned.
  impl_->thread = std::thread(
      [impl = impl_.get(), cache, opened = std::move(opened)]() mutable { impl->run(cache, opened); });
  try {
    ready.get();
  } catch (...) {
    impl_->thread.join();
    throw;
  }
}

Prefetcher::Prefetcher(const std::filesystem::path& cache, const OrderKind& order, std::int64_t batch_size,
                       std::uint64_t seed, Options options)
    : Prefetcher(cache, std::move(options)) {
  start(order, batch_size, seed);
}

void Prefetcher::start(const OrderKind& order, std::int64_t batch_size, std::uint64_t seed) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->order) throw std::logic_error("a prefetcher is started twice");
    impl_->order.emplace(impl_->info.sequences, batch_size, order, seed);
  }
  impl_->changed.notify_all();
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

const KdCacheInfo& Prefetcher::info() const {
  return impl_->info;
}
const SampleOrder& Prefetcher::order() const {
  return *impl_->order;
}

KdBatch Prefetcher::next() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return !impl_->queue.empty() || impl_->error; });
  impl_->waited_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (impl_->queue.empty()) std::rethrow_exception(impl_->error);
  KdBatch batch = std::move(impl_->queue.front());
  impl_->queue.pop_front();
  lock.unlock();
  impl_->changed.notify_all();
  return batch;
}

double Prefetcher::wait_seconds() const {
  return impl_->waited_s;
}

KdBatch Prefetcher::Impl::ask(std::vector<std::int64_t> rows, PayloadSet payloads, CachePart part) {
  Request request;
  request.payloads = payloads;
  request.part = part;
  request.rows = std::move(rows);
  std::future<KdBatch> result = request.result.get_future();
  {
    const std::lock_guard lock(mutex);
    requests.push_back(std::move(request));
  }
  changed.notify_all();
  return result.get();
}

KdBatch Prefetcher::read_rows(std::int64_t first, std::int64_t count, PayloadSet payloads) {
  return impl_->ask(successive(first, count), payloads, CachePart::training);
}

KdBatch Prefetcher::read_holdout(std::int64_t first, std::int64_t count, PayloadSet payloads) {
  return read_holdout(successive(first, count), payloads);
}

KdBatch Prefetcher::read_holdout(std::vector<std::int64_t> rows, PayloadSet payloads) {
  return impl_->ask(std::move(rows), payloads, CachePart::holdout);
}

}  // namespace anemll
