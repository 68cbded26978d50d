// How the pool's threads start, take pieces and wait; see piece_pool.hpp.
#include "src/kernels/internal/piece_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include <ATen/Parallel.h>

namespace anemll::kernels {
namespace {

using Body = std::function<void(std::int64_t, std::int64_t)>;

thread_local bool in_piece = false;

struct Job {
  const Body& body;
  std::int64_t count;
  std::int64_t piece;
  int helpers;     ///< how many threads of the pool may still join
  int inside = 0;  ///< how many have joined and not left
  std::atomic<std::int64_t> next{0};
  std::mutex error_mutex{};
  std::exception_ptr error{};
};

/// Takes pieces until there are none.
void work(Job& job) {
  in_piece = true;
  for (;;) {
    const std::int64_t begin = job.next.fetch_add(job.piece, std::memory_order_relaxed);
    if (begin >= job.count) break;
    try {
      job.body(begin, std::min(begin + job.piece, job.count));
    } catch (...) {
      const std::lock_guard lock(job.error_mutex);
      if (!job.error) job.error = std::current_exception();
      job.next.store(job.count, std::memory_order_relaxed);
    }
  }
  in_piece = false;
}

/// Lives as long as the process, and so do its threads: they may outlive main() while they sleep.
class Pool {
 public:
  bool run(Job& job) {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    for (; threads_ < job.helpers; ++threads_) std::thread([this] { help(); }).detach();
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
    }
    wake_.notify_all();
    work(job);
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    // Asleep and not spinning: the core goes to a helper that waits for one.
    done_.wait(lock, [&job] { return job.inside == 0; });
    return true;
  }

 private:
  void help() {
    at::get_num_threads();  // LibTorch prepares a thread at its first call and would undo what comes before
    at::set_num_threads(1);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return job_ != nullptr && job_->helpers > 0; });
      Job& job = *job_;
      --job.helpers;
      ++job.inside;
      lock.unlock();
      work(job);
      lock.lock();
      if (--job.inside == 0) done_.notify_one();
    }
  }

  std::mutex turn_;  ///< held by the thread whose job runs
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  int threads_ = 0;
};

Pool& pool() {
  static Pool* const the_pool = new Pool;
  return *the_pool;
}

}  // namespace

bool run_in_pieces(int helpers, std::int64_t count, std::int64_t piece, const Body& body) {
  Job job{body, count, std::max<std::int64_t>(piece, 1), helpers};
  if (!pool().run(job)) return false;
  if (job.error) std::rethrow_exception(job.error);
  return true;
}

bool inside_a_piece() {
  return in_piece;
}

}  // namespace anemll::kernels
