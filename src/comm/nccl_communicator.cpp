// The NCCL backend: sums of device memory on a stream of its own, beside the caller's. Calls on host memory
// go to the bootstrap communicator, which also carries NCCL's id. Owns the ncclComm_t, one stream and the
// events.
//
// The communicator is non-blocking, as NCCL asks of those who may have to abort it: every call may return "in
// progress" and is then polled with a time limit. One thread calls it, the one that calls the bootstrap.
// The destructor ends NCCL in order (drain, finalize, destroy), or aborts it while an error is in flight.
#include "src/comm/nccl_communicator.hpp"

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/forwarding_communicator.hpp"
#include "src/core/platform.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr const char* kHint = "NCCL_DEBUG=INFO shows more; launch/README.md says what to do";

void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess)
    throw_comm(cudaGetErrorString(code), call, "check nvidia-smi and CUDA_VISIBLE_DEVICES");
}

[[noreturn]] void throw_nccl(ncclResult_t code, ncclComm_t comm, const char* call) {
  const char* detail = ncclGetLastError(comm);
  std::string text = ncclGetErrorString(code);
  if (detail != nullptr && *detail != '\0') text += std::string(": ") + detail;
  throw_comm(text, call, kHint);
}

/// The state of a communicator; errors of the question itself are thrown.
ncclResult_t state_of(ncclComm_t comm) {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm, &state);
  if (asked != ncclSuccess) throw_nccl(asked, comm, "ncclCommGetAsyncError");
  return state;
}

/// For so long it is asked without a pause: a collective is on its way within some ten microseconds, and one
/// is started for every bucket of gradients.
constexpr double kEagerSeconds = 5e-4;

/// Asks `goes_on` again and again until it says no; false where that takes longer than `limit_s`.
template <class Question>
bool poll(const Question& goes_on, double limit_s) {
  using namespace std::chrono_literals;
  const auto start = std::chrono::steady_clock::now();
  while (goes_on()) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    if (passed.count() > limit_s) return false;
    if (passed.count() > kEagerSeconds) std::this_thread::sleep_for(100us);
  }
  return true;
}

/// Polls a non-blocking communicator until `code` is final.
void finish_call(ncclResult_t code, ncclComm_t comm, const char* call, double limit_s) {
  const auto in_progress = [&] {
    if (code == ncclInProgress) code = state_of(comm);
    return code == ncclInProgress;
  };
  if (!poll(in_progress, limit_s))
    throw_comm("still in progress after " + format_seconds(limit_s), call, kHint);
  if (code != ncclSuccess) throw_nccl(code, comm, call);
}

class Stream {
 public:
  Stream() {
    int least = 0;
    int greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
    check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest),
               "cudaStreamCreateWithPriority");
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  /// `later` runs nothing from here on before what `earlier` has been given so far.
  void order(cudaStream_t earlier, cudaStream_t later) {
    check_cuda(cudaEventRecord(event_, earlier), "cudaEventRecord");
    check_cuda(cudaStreamWaitEvent(later, event_, 0), "cudaStreamWaitEvent");
  }
  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  bool happened() const {
    const cudaError_t code = cudaEventQuery(event_);
    if (code != cudaErrorNotReady) check_cuda(code, "cudaEventQuery");
    return code == cudaSuccess;
  }
  void hold_up(cudaStream_t stream) {
    check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Counts and types go together, from the type of the data alone.
ncclResult_t all_reduce_sum(std::span<float> values, ncclComm_t comm, cudaStream_t stream) {
  return ncclAllReduce(values.data(), values.data(), values.size(), ncclFloat32, ncclSum, comm, stream);
}

/// Until the device has done its part. A host that waits in CUDA's own calls hears of no error of NCCL's, and
/// a peer that does not come would keep it for ever.
template <class Question>
void await_device(const Question& goes_on, ncclComm_t comm, const std::string& what, double limit_s) {
  const auto under_way = [&] {
    const ncclResult_t state = state_of(comm);
    if (state != ncclSuccess && state != ncclInProgress) throw_nccl(state, comm, "ncclAllReduce");
    return goes_on();
  };
  if (poll(under_way, limit_s)) return;
  throw_comm(what + " not done after " + format_seconds(limit_s) +
                 ": a rank has not joined, or its host or the network is gone",
             "ncclAllReduce",
             std::string("the dumps of the ranks show in which collective each is; ") + kHint);
}

/// Which sum, for an error.
struct SumFacts {
  std::int64_t number = 0;  ///< of the communicator, from 1: the same on all ranks
  std::size_t count = 0;
  int ranks = 0;

  std::string text() const {
    return "sum " + std::to_string(number) + " of " + std::to_string(count) + " floats over " +
           std::to_string(ranks) + " ranks is";
  }
};

/// Done once the device gets there: wait() orders the caller's stream, the host goes on.
class NcclPending final : public PendingReduce {
 public:
  NcclPending(ncclComm_t comm, cudaStream_t reducing, cudaStream_t caller, double limit_s,
              const SumFacts& facts)
      : comm_(comm), caller_(caller), limit_s_(limit_s), facts_(facts) {
    done_.record(reducing);
  }
  void wait() override {
    finish_call(state_of(comm_), comm_, "ncclAllReduce", limit_s_);
    done_.hold_up(caller_);
  }
  bool over() override { return done_.happened(); }
  void settle() override {
    await_device([&] { return !over(); }, comm_, facts_.text(), limit_s_);
  }

 private:
  ncclComm_t comm_;
  cudaStream_t caller_;
  double limit_s_;
  SumFacts facts_;
  Event done_;
};

class AlreadyReduced final : public PendingReduce {
 public:
  void wait() override {}
};

/// For tests on a machine with one GPU; NCCL takes its ranks when NCCL_HOSTID tells them apart. No run that
/// counts shares a GPU: its ranks would wait for each other.
bool shares_gpu_for_a_test() {
  return std::getenv("ANEMLL_SHARED_GPU") != nullptr;
}

/// "host, device 0 of 2, GPU <uuid>", or what is wrong with the choice.
struct DeviceFacts {
  std::string uuid;  ///< empty: there is no such device
  std::string text;
};

DeviceFacts device_facts(int device) {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::string text = host_name() + ", device " + std::to_string(device) + " of " +
                     std::to_string(code == cudaSuccess ? count : 0);
  if (visible != nullptr) text += ", CUDA_VISIBLE_DEVICES=" + std::string(visible);
  cudaDeviceProp properties{};
  if (code != cudaSuccess || device < 0 || device >= count ||
      cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    if (code != cudaSuccess) text += std::string(", ") + cudaGetErrorString(code);
    return {"", text};
  }
  return {std::string(properties.uuid.bytes, sizeof properties.uuid.bytes), text + ", " + properties.name};
}

/// Refuses, on all ranks alike, a device that is not there or that two ranks want: NCCL's own words for both
/// come late and name one rank only.
void check_devices(Communicator& bootstrap, int device) {
  const DeviceFacts mine = device_facts(device);
  const auto uuids = gather_strings(bootstrap, mine.uuid);
  const auto texts = gather_strings(bootstrap, mine.text);
  std::string table;
  for (std::size_t r = 0; r < texts.size(); ++r) table += "\n  rank " + std::to_string(r) + ": " + texts[r];
  for (std::size_t r = 0; r < uuids.size(); ++r) {
    if (uuids[r].empty()) {
      throw_usage("rank " + std::to_string(r) + " has no such GPU" + table, "nccl",
                  "start at most one rank per GPU and host, or use the mpi backend");
    }
    for (std::size_t other = 0; other < r; ++other) {
      if (uuids[other] != uuids[r] || shares_gpu_for_a_test()) continue;
      throw_usage(
          "ranks " + std::to_string(other) + " and " + std::to_string(r) + " use the same GPU" + table,
          "nccl", "start at most one rank per GPU and host");
    }
  }
}

class NcclCommunicator final : public ForwardingCommunicator {
 public:
  NcclCommunicator(Communicator& bootstrap, int device, const NcclLimits& limits)
      : ForwardingCommunicator(bootstrap), limits_(limits), uncaught_(std::uncaught_exceptions()) {
    check_cuda(cudaSetDevice(device), "cudaSetDevice");
    stream_ = std::make_unique<Stream>();
    before_ = std::make_unique<Event>();
    // Rank 0 may fail to make the id; all ranks then hear of it instead of waiting for the id.
    ncclUniqueId id{};
    on_root(bootstrap, [&] {
      const ncclResult_t code = ncclGetUniqueId(&id);
      if (code != ncclSuccess) throw_nccl(code, nullptr, "ncclGetUniqueId");
    });
    bootstrap.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    try {
      // Two statements: the call sets comm_, and arguments are computed in any order.
      const ncclResult_t code =
          ncclCommInitRankConfig(&comm_, bootstrap.size(), id, bootstrap.rank(), &config);
      finish_call(code, comm_, "ncclCommInitRankConfig", limits_.init_s);
    } catch (...) {
      if (comm_ != nullptr) ncclCommAbort(comm_);
      throw;
    }
  }

  ~NcclCommunicator() override {
    if (std::uncaught_exceptions() > uncaught_) {
      // The peers may never come: waiting for them would hide the error. The process ends soon.
      ncclCommAbort(comm_);
      return;
    }
    try {
      drain();
      finish_call(ncclCommFinalize(comm_), comm_, "ncclCommFinalize", limits_.call_s);
      ncclCommDestroy(comm_);
    } catch (const std::exception& error) {
      log_warning(std::string("NCCL did not end in order: ") + error.what());
      ncclCommAbort(comm_);
    }
  }
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  std::string_view backend() const override { return "nccl"; }

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    if (count == 0) return std::make_unique<AlreadyReduced>();
    const auto caller = static_cast<cudaStream_t>(stream);
    before_->order(caller, stream_->get());
    finish_call(all_reduce_sum(std::span(data, count), comm_, stream_->get()), comm_, "ncclAllReduce",
                limits_.call_s);
    return std::make_unique<NcclPending>(comm_, stream_->get(), caller, limits_.call_s,
                                         SumFacts{++sums_, count, size()});
  }

 private:
  /// Until all sums have run.
  void drain() {
    const auto runs = [&] {
      const cudaError_t code = cudaStreamQuery(stream_->get());
      if (code != cudaErrorNotReady) check_cuda(code, "cudaStreamQuery");
      return code == cudaErrorNotReady;
    };
    await_device(runs, comm_, "the sums under way are", limits_.call_s);
  }

  NcclLimits limits_;
  int uncaught_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> before_;
  ncclComm_t comm_ = nullptr;
  std::int64_t sums_ = 0;
};

}  // namespace

bool nccl_available() {
  return true;
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device,
                                                     const NcclLimits& limits) {
  check_devices(bootstrap, device);
  return std::make_unique<NcclCommunicator>(bootstrap, device, limits);
}

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& bootstrap, int device) {
  return make_nccl_communicator(bootstrap, device, nccl_limits(WatchLimits{}));
}

}  // namespace anemll
