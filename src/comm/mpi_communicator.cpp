// The MPI backend. Owns two duplicates of the parent communicator: one for collectives, one for the
// point-to-point traffic of reductions under way. MPI moves bytes only; sums are our own (mpi_reduce.hpp).
// All waiting is polling, and every poll advances all reductions under way.
#include "src/comm/internal/mpi_communicator.hpp"

#include "anemll/core/error.hpp"
#include "src/comm/internal/mpi_check.hpp"
#include "src/comm/internal/mpi_reduce.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

namespace anemll {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw_comm(std::string(text, static_cast<std::size_t>(length)), call,
             "see the first message of the other ranks; launch/README.md says what to do");
}

void Backoff::pause() {
  using namespace std::chrono_literals;
  const auto waited = Clock::now() - started_;
  if (waited < 200us) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(waited < 1s ? 50us : 1ms);
  }
}

namespace {

/// A duplicate of a communicator that returns errors instead of ending the program.
class OwnedComm {
 public:
  explicit OwnedComm(MPI_Comm parent) : uncaught_(std::uncaught_exceptions()) {
    check_mpi(MPI_Comm_dup(parent, &comm_), "MPI_Comm_dup");
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  ~OwnedComm() {
    // MPI_Comm_free may wait for the others, who may not come while an error ends this rank.
    if (std::uncaught_exceptions() == uncaught_) MPI_Comm_free(&comm_);
  }
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int uncaught_;
};

/// The reductions under way, in the order of their start.
class TaskList {
 public:
  void add(MpiTask* task) { tasks_.push_back(task); }
  void remove(MpiTask* task) { std::erase(tasks_, task); }
  void advance() {
    std::erase_if(tasks_, [](MpiTask* task) { return task->advance(); });
  }
  bool has(const MpiTask* task) const {
    return std::find(tasks_.begin(), tasks_.end(), task) != tasks_.end();
  }

 private:
  std::vector<MpiTask*> tasks_;
};

class MpiPending final : public PendingReduce {
 public:
  MpiPending(std::shared_ptr<TaskList> list, std::unique_ptr<MpiTask> task)
      : list_(std::move(list)), task_(std::move(task)) {
    list_->add(task_.get());
    list_->advance();
  }
  ~MpiPending() override {
    if (!list_->has(task_.get())) return;
    list_->remove(task_.get());
    task_->cancel();
  }
  MpiPending(const MpiPending&) = delete;
  MpiPending& operator=(const MpiPending&) = delete;

  void wait() override {
    Backoff backoff;
    for (list_->advance(); list_->has(task_.get()); list_->advance()) backoff.pause();
  }

 private:
  std::shared_ptr<TaskList> list_;
  std::unique_ptr<MpiTask> task_;
};

class AlreadyReduced final : public PendingReduce {
 public:
  void wait() override {}
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm parent, const MpiLimits& limits)
      : collectives_(parent), messages_(parent), limits_(limits) {
    check_mpi(MPI_Comm_rank(collectives_.get(), &rank_), "MPI_Comm_rank");
    check_mpi(MPI_Comm_size(collectives_.get(), &size_), "MPI_Comm_size");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string_view backend() const override { return "mpi"; }

  void barrier() override {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Ibarrier(collectives_.get(), &request), "MPI_Ibarrier");
    wait(request, "MPI_Ibarrier");
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    while (!bytes.empty()) {
      const std::size_t n = std::min(bytes.size(), limits_.message_bytes);
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(MPI_Ibcast(bytes.data(), static_cast<int>(n), MPI_BYTE, root, collectives_.get(), &request),
                "MPI_Ibcast");
      wait(request, "MPI_Ibcast");
      bytes = bytes.subspan(n);
    }
  }

  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    if (mine.empty()) return;
    if (all.size() > limits_.message_bytes) {
      for (int r = 0; r < size_; ++r) {
        const std::span part(all.data() + static_cast<std::size_t>(r) * mine.size(), mine.size());
        if (r == rank_) std::copy(mine.begin(), mine.end(), part.begin());
        broadcast(part, r);
      }
      return;
    }
    const int n = static_cast<int>(mine.size());
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallgather(mine.data(), n, MPI_BYTE, all.data(), n, MPI_BYTE, collectives_.get(), &request),
              "MPI_Iallgather");
    wait(request, "MPI_Iallgather");
  }

  void all_reduce(std::span<float> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<double> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<std::int64_t> values, ReduceOp op) override { reduce(values, op); }

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void*) override {
    return start(std::span(data, count), ReduceOp::sum);
  }

  void progress() override { tasks_->advance(); }

  void abort(int exit_code) override {
    std::fflush(nullptr);
    MPI_Abort(collectives_.get(), exit_code);
    std::_Exit(exit_code);
  }

 private:
  template <class T>
  void reduce(std::span<T> values, ReduceOp op) {
    const auto ranks = static_cast<std::size_t>(size_);
    if (size_ == 1 || values.empty()) return;
    if (values.size_bytes() * ranks > limits_.gather_bytes) return start(values, op)->wait();
    std::vector<T> all(values.size() * ranks);
    all_gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
    std::vector<const T*> sources(ranks);
    for (std::size_t r = 0; r < ranks; ++r) sources[r] = all.data() + r * values.size();
    reduce_in_rank_order<T>(sources, values.size(), op, [&](std::size_t at, std::span<const T> block) {
      std::copy(block.begin(), block.end(), values.data() + at);
    });
  }

  template <class T>
  std::unique_ptr<PendingReduce> start(std::span<T> values, ReduceOp op) {
    if (size_ == 1 || values.empty()) return std::make_unique<AlreadyReduced>();
    // Messages of one sender and tag arrive in order, so tags may come round again.
    constexpr int kReductions = 1024;
    const int first_tag = static_cast<int>(started_++ % kReductions) * MpiReduce<T>::kTags;
    return std::make_unique<MpiPending>(
        tasks_, std::make_unique<MpiReduce<T>>(messages_.get(), rank_, size_, first_tag, values, op,
                                               limits_.window_bytes));
  }

  void wait(MPI_Request& request, const char* call) {
    Backoff backoff;
    for (int done = 0;;) {
      check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
      if (done != 0) return;
      tasks_->advance();
      backoff.pause();
    }
  }

  OwnedComm collectives_;
  OwnedComm messages_;
  MpiLimits limits_;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t started_ = 0;
  std::shared_ptr<TaskList> tasks_ = std::make_shared<TaskList>();
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm parent, const MpiLimits& limits) {
  return std::make_unique<MpiCommunicator>(parent, limits);
}

}  // namespace anemll
