// Ranks as threads of one process: the backend of tests and the oracle for the others. Owns the meeting
// point of the threads and the threads themselves.
//
// A rank that throws, or returns while others wait for it, never leaves them waiting: they get a
// communication error, and run_local_ranks() rethrows the error that came first. Ranks that make different
// calls are told so instead of reducing the wrong memory.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/comm/internal/rank_ordered.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace anemll {
namespace {

constexpr const char* kWhere = "local communicator";
constexpr const char* kSameCalls = "every rank must make the same collective calls in the same order";

/// What one rank brings to a collective.
struct Offer {
  std::string_view call;
  std::size_t bytes = 0;
  int detail = 0;  ///< root or operation
  void* data = nullptr;

  bool matches(const Offer& other) const {
    return call == other.call && bytes == other.bytes && detail == other.detail;
  }
  std::string describe() const { return std::string(call) + " of " + std::to_string(bytes) + " bytes"; }
};

/// Where the threads of one run meet. All members may be called by all of them.
class Meeting {
 public:
  explicit Meeting(int ranks) : ranks_(static_cast<std::size_t>(ranks)), offers_(ranks_) {}

  /// Returns when all ranks have come; offers() then stays as it is until this rank calls part().
  void meet(std::size_t rank, const Offer& mine) {
    std::unique_lock lock(mutex_);
    offers_[rank] = mine;
    arrive(lock);
    for (std::size_t r = 0; r < ranks_; ++r) {
      if (offers_[r].matches(mine)) continue;
      throw_comm("rank " + std::to_string(rank) + " calls " + mine.describe() + ", rank " +
                     std::to_string(r) + " calls " + offers_[r].describe(),
                 kWhere, kSameCalls);
    }
  }

  /// Returns when all ranks are done with offers().
  void part() {
    std::unique_lock lock(mutex_);
    arrive(lock);
  }

  const Offer& offer(std::size_t rank) const { return offers_[rank]; }
  std::size_t ranks() const { return ranks_; }

  /// The rank's share of asynchronous sum `number`. The last rank to come adds everything up for all.
  void post(std::uint64_t number, std::size_t rank, float* data, std::size_t count) {
    const std::unique_lock lock(mutex_);
    check_nobody_left();
    Sum& sum = sums_[number];
    if (sum.data.empty()) {
      sum.data.resize(ranks_);
      sum.count = count;
    }
    sum.broken = sum.broken || sum.count != count;
    sum.data[rank] = data;
    if (++sum.posted < ranks_) return;
    if (!sum.broken) add_up(sum);
    sum.done = true;
    changed_.notify_all();
  }

  void await(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    wait_until(lock, [&] { return sums_[number].done; });
    if (collect(number)) throw_comm("the ranks' asynchronous sums do not match", kWhere, kSameCalls);
  }

  /// The rank gives up its share before the sum is there: nobody may touch its memory any more.
  void withdraw(std::uint64_t number) {
    const std::unique_lock lock(mutex_);
    sums_[number].broken = true;
    collect(number);
  }

  /// The rank's thread ends, with an error or without.
  void leave(std::exception_ptr error) {
    const std::unique_lock lock(mutex_);
    if (error && !first_error_) first_error_ = std::move(error);
    ++departed_;
    changed_.notify_all();
  }

  /// Only after all threads have ended.
  std::exception_ptr first_error() const { return first_error_; }

 private:
  struct Sum {
    std::vector<float*> data;  ///< by rank
    std::size_t count = 0;
    std::size_t posted = 0;
    std::size_t collected = 0;
    bool broken = false;
    bool done = false;
  };

  static void add_up(const Sum& sum) {
    const std::vector<const float*> sources(sum.data.begin(), sum.data.end());
    reduce_in_rank_order<float>(sources, sum.count, ReduceOp::sum,
                                [&](std::size_t at, std::span<const float> block) {
                                  for (float* target : sum.data)
                                    std::copy(block.begin(), block.end(), target + at);
                                });
  }

  bool collect(std::uint64_t number) {
    Sum& sum = sums_[number];
    const bool broken = sum.broken;
    if (++sum.collected == ranks_) sums_.erase(number);
    return broken;
  }

  void arrive(std::unique_lock<std::mutex>& lock) {
    check_nobody_left();
    const std::uint64_t mine = generation_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++generation_;
      changed_.notify_all();
      return;
    }
    wait_until(lock, [&] { return generation_ != mine; });
  }

  template <class Ready>
  void wait_until(std::unique_lock<std::mutex>& lock, Ready&& ready) {
    changed_.wait(lock, [&] { return ready() || departed_ > 0; });
    if (!ready()) check_nobody_left();
  }

  void check_nobody_left() const {
    if (departed_ == 0) return;
    if (first_error_) throw_comm("another rank stopped with an error", kWhere, "the first error says why");
    throw_comm("another rank has already returned", kWhere, kSameCalls);
  }

  const std::size_t ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Offer> offers_;
  std::map<std::uint64_t, Sum> sums_;
  std::size_t arrived_ = 0;
  std::size_t departed_ = 0;
  std::uint64_t generation_ = 0;
  std::exception_ptr first_error_;
};

class LocalPending final : public PendingReduce {
 public:
  LocalPending(Meeting& meeting, std::uint64_t number) : meeting_(meeting), number_(number) {}
  ~LocalPending() override {
    if (!waited_) meeting_.withdraw(number_);
  }
  LocalPending(const LocalPending&) = delete;
  LocalPending& operator=(const LocalPending&) = delete;

  void wait() override {
    if (waited_) return;
    meeting_.await(number_);
    waited_ = true;
  }

 private:
  Meeting& meeting_;
  std::uint64_t number_;
  bool waited_ = false;
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(Meeting& meeting, int rank) : meeting_(meeting), rank_(static_cast<std::size_t>(rank)) {}

  int rank() const override { return static_cast<int>(rank_); }
  int size() const override { return static_cast<int>(meeting_.ranks()); }
  std::string_view backend() const override { return "local"; }

  void barrier() override {
    meeting_.meet(rank_, {"barrier", 0, 0, nullptr});
    meeting_.part();
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    meeting_.meet(rank_, {"broadcast", bytes.size(), root, bytes.data()});
    const void* source = meeting_.offer(static_cast<std::size_t>(root)).data;
    if (rank() != root && !bytes.empty()) std::memcpy(bytes.data(), source, bytes.size());
    meeting_.part();
  }

  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    // The peers only read through this pointer.
    meeting_.meet(rank_, {"all_gather", mine.size(), 0, const_cast<std::byte*>(mine.data())});
    for (std::size_t r = 0; r < meeting_.ranks() && !mine.empty(); ++r) {
      std::memmove(all.data() + r * mine.size(), meeting_.offer(r).data, mine.size());
    }
    meeting_.part();
  }

  void all_reduce(std::span<float> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<double> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<std::int64_t> values, ReduceOp op) override { reduce(values, op); }

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void*) override {
    meeting_.post(sums_, rank_, data, count);
    return std::make_unique<LocalPending>(meeting_, sums_++);
  }

  void abort(int exit_code) override {
    std::fflush(nullptr);
    std::_Exit(exit_code);
  }

 private:
  /// Every rank sums one slice of all arrays and writes it to all of them.
  template <class T>
  void reduce(std::span<T> values, ReduceOp op) {
    meeting_.meet(rank_, {"all_reduce", values.size_bytes(), static_cast<int>(op), values.data()});
    const std::size_t ranks = meeting_.ranks();
    const std::size_t begin = values.size() * rank_ / ranks;
    const std::size_t end = values.size() * (rank_ + 1) / ranks;
    std::vector<T*> targets(ranks);
    for (std::size_t r = 0; r < ranks; ++r) targets[r] = static_cast<T*>(meeting_.offer(r).data) + begin;
    const std::vector<const T*> sources(targets.begin(), targets.end());
    reduce_in_rank_order<T>(sources, end - begin, op, [&](std::size_t at, std::span<const T> block) {
      for (T* target : targets) std::copy(block.begin(), block.end(), target + at);
    });
    meeting_.part();
  }

  Meeting& meeting_;
  std::size_t rank_;
  std::uint64_t sums_ = 0;
};

}  // namespace

void run_local_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  if (ranks < 1)
    throw_usage("needs at least one rank", "local communicator", "give a positive number of ranks");
  Meeting meeting(ranks);
  const auto run = [&](int rank) {
    std::exception_ptr error;
    try {
      LocalCommunicator comm(meeting, rank);
      body(comm);
    } catch (...) {
      error = std::current_exception();
    }
    meeting.leave(std::move(error));
  };
  {
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(ranks));
    for (int r = 0; r < ranks; ++r) threads.emplace_back(run, r);
  }
  if (meeting.first_error()) std::rethrow_exception(meeting.first_error());
}

}  // namespace anemll
