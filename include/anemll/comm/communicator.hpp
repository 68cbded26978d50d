// What data-parallel training needs of a communication library, and nothing else. Backends are whole
// files: local (threads of one process), mpi, nccl. All calls are collective unless stated otherwise:
// every rank makes the same calls in the same order, from one thread per rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

enum class ReduceOp { sum, max, min };

/// An all-reduce under way. `wait` returns when the result is in place (on a GPU: ordered on the stream).
class PendingReduce {
 public:
  virtual ~PendingReduce() = default;
  virtual void wait() = 0;
  // Behind wait(). Sums of host memory are over by then.
  virtual bool over() { return true; }  ///< on the device also; never waits
  /// The host waits for the device, with a time limit and with an ear for errors of the network: to be called
  /// before reads of the device, which have neither.
  virtual void settle() {}
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual std::string_view backend() const = 0;
  bool is_root() const { return rank() == 0; }

  virtual void barrier() = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  /// `all` receives size() * mine.size() bytes in rank order; `mine` has the same length on every rank.
  virtual void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) = 0;

  // In place, host memory, summed in rank order: bitwise equal on all ranks, from run to run at one rank
  // count, and between backends.
  virtual void all_reduce(std::span<float> values, ReduceOp op) = 0;
  virtual void all_reduce(std::span<double> values, ReduceOp op) = 0;
  virtual void all_reduce(std::span<std::int64_t> values, ReduceOp op) = 0;

  /// Sum of `count` floats at `data`, in place: a device pointer for a GPU backend (ordered after the work
  /// on `stream`), host memory (`stream` ignored) otherwise. `data` must stay untouched until wait();
  /// dropping the result without wait() is for ranks that end with an error. Host sums are in rank order, as
  /// above, so they do not depend on how a buffer is cut; sums of NCCL may.
  virtual std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) = 0;

  /// Lets reductions under way advance; never waits (not collective). Backends that advance by themselves do
  /// nothing.
  virtual void progress() {}

  /// Ends the whole job with this exit code without waiting for anyone (not collective).
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

/// Conveniences over the interface.
bool any_rank(Communicator& comm, bool mine);  ///< a decision that all ranks then share
void broadcast_string(Communicator& comm, std::string& text, int root);
std::vector<std::string> gather_strings(Communicator& comm, const std::string& mine);  ///< on every rank

/// leave_on_signal for all ranks at once: when a signal has come to any of them, all throw StopError.
/// Collective.
void leave_together(Communicator& comm, std::string_view during, std::string_view hint);

/// Runs `work` on rank 0 while the others wait; when it throws, every rank throws the same error.
void on_root(Communicator& comm, const std::function<void()>& work);

/// The one-rank communicator: every collective is a no-op.
std::unique_ptr<Communicator> make_single_communicator();

/// Runs `body` on `ranks` threads of this process, each with its own communicator. Rethrows the first error.
void run_local_ranks(int ranks, const std::function<void(Communicator&)>& body);

/// Owns MPI_Init_thread and MPI_Finalize; run_ranks makes one for a program. Works without mpirun (one rank).
/// An object destroyed by an exception aborts the job (exit code 4) instead of hanging the others.
class MpiRuntime {
 public:
  MpiRuntime(int* argc, char*** argv);
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;
  /// A communicator of our own (a duplicate of the world's). Must be gone before the runtime is.
  std::unique_ptr<Communicator> world();
  /// The processes of this host.
  struct Host {
    int rank = 0;  ///< of this process among them
    int size = 1;
  };
  /// Collective. Communication errors.
  Host host() const;

 private:
  bool owns_mpi_ = false;
  int uncaught_ = 0;  ///< exceptions in flight when the object was made
};

/// The main() of a program on several ranks: signals (of a maker), MPI, then `body` on every rank. Returns
/// the process exit code. run_tool is the frame of all of it, the start of MPI included: an error is reported
/// and becomes its exit code. When all ranks fail, the message is printed once and MPI ends in order; when
/// only some do, the others are aborted with that code after a second.
int run_ranks(int argc, char** argv, const std::function<int(MpiRuntime&)>& body);

/// NCCL over the ranks of `bootstrap` (ids travel by its broadcast); host-memory calls are passed to it.
/// `device` is the CUDA ordinal of this rank. Throws a usage error when built without NCCL.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device);
bool nccl_available();

}  // namespace anemll
