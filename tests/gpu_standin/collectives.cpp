// NCCL's communicator in the stand-in: README.md.
#include "tests/gpu_standin/faults.hpp"
#include "tests/gpu_standin/meeting.hpp"
#include "tests/gpu_standin/tasks.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>
#include <thread>

#include <nccl.h>

namespace anemll::standin {
namespace {

thread_local Faults wishes;

/// What work on streams still needs when the handle is gone.
struct Shared {
  Shared(const std::string& name, int ranks, int rank, const Faults& wanted)
      : meeting(name, ranks, rank), faults(wanted) {}

  Meeting meeting;
  const Faults faults;
  std::atomic<bool> left{false};  ///< aborted: nobody is waited for
  std::atomic<ncclResult_t> state{ncclInProgress};

  /// "In progress" is all that an error may replace: the first error stays.
  void settle(ncclResult_t result) {
    ncclResult_t expected = ncclInProgress;
    state.compare_exchange_strong(expected, result);
  }
  void fail(ncclResult_t result) {
    ncclResult_t now = state.load();
    while (now == ncclSuccess || now == ncclInProgress) {
      if (state.compare_exchange_weak(now, result)) return;
    }
  }
};

void wait_until_left(const Shared& shared) {
  while (!shared.left.load()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void sum_on_stream(Shared& shared, std::int64_t number, const float* from, float* to, std::size_t count) {
  if (shared.left.load()) return;  // aborted before its turn: peers must not take it for another sum
  const Faults& faults = shared.faults;
  if (faults.delay.count() > 0) std::this_thread::sleep_for(faults.delay);
  if (faults.absent_from != kNever && number >= faults.absent_from) return wait_until_left(shared);
  if (number == faults.error_at) {
    shared.fail(ncclRemoteError);
    return wait_until_left(shared);
  }
  switch (shared.meeting.sum(from, to, count, shared.left)) {
    case Meeting::Outcome::done:
    case Meeting::Outcome::left:
      return;
    case Meeting::Outcome::counts_differ:
      shared.fail(ncclInvalidArgument);
      return;
  }
}

}  // namespace

void set_faults(const Faults& faults) {
  wishes = faults;
}
Faults faults() {
  return wishes;
}

}  // namespace anemll::standin

using anemll::standin::Faults;
using anemll::standin::Shared;

struct ncclComm {
  std::shared_ptr<Shared> shared;
  int polls_left = 0;       ///< of the call that is in progress
  bool stuck = false;       ///< that call is never settled
  std::int64_t sums = 0;    ///< enqueued so far
  bool in_progress = true;  ///< as the caller was told
  bool finalized = false;
  std::jthread background;  ///< of init or finalize

  /// A call was taken; it is answered "in progress" until it was asked for often enough.
  ncclResult_t take() {
    polls_left = shared->faults.polls;
    stuck = shared->faults.stuck_in_progress;
    in_progress = polls_left > 0 || stuck;
    return in_progress ? ncclInProgress : ncclSuccess;
  }
};

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (anemll::standin::wishes.id_fails) return ncclSystemError;
  std::random_device random;
  const std::string name = "/anemll_standin_" + std::to_string(random()) + "_" + std::to_string(random());
  std::memset(id->internal, 0, sizeof id->internal);
  std::memcpy(id->internal, name.data(), name.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config == nullptr || config->blocking != 0)
    return ncclInvalidArgument;  // the backend must be able to abort
  if (ranks < 1 || ranks > anemll::standin::kMostRanks || rank < 0 || rank >= ranks)
    return ncclInvalidArgument;
  auto made = std::make_unique<ncclComm>();
  made->shared = std::make_shared<Shared>(id.internal, ranks, rank, anemll::standin::faults());
  const std::shared_ptr<Shared> shared = made->shared;
  made->background = std::jthread([shared] {
    if (shared->faults.init_fails) return shared->settle(ncclSystemError);
    while (!shared->meeting.complete()) {
      if (shared->left.load()) return;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    shared->settle(ncclSuccess);
  });
  made->polls_left = shared->faults.polls;
  *comm = made.release();
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  if (comm == nullptr) return ncclInvalidArgument;
  *state = comm->shared->state.load();
  if (*state != ncclSuccess || !comm->in_progress) return ncclSuccess;
  if (comm->stuck || comm->polls_left-- > 0)
    *state = ncclInProgress;
  else
    comm->in_progress = false;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  if (comm == nullptr || type != ncclFloat32 || op != ncclSum) return ncclInvalidArgument;
  if (comm->in_progress || comm->finalized) return ncclInvalidUsage;
  const ncclResult_t state = comm->shared->state.load();
  if (state != ncclSuccess) return state;
  const std::int64_t number = comm->sums++;
  anemll::standin::enqueue(stream, [shared = comm->shared, number, from, to, count] {
    anemll::standin::sum_on_stream(*shared, number, static_cast<const float*>(from), static_cast<float*>(to),
                                   count);
  });
  return comm->take();
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (comm == nullptr) return ncclInvalidArgument;
  if (comm->in_progress || comm->finalized) return ncclInvalidUsage;
  const ncclResult_t state = comm->shared->state.load();
  if (state != ncclSuccess) return state;
  comm->finalized = true;
  comm->shared->state = ncclInProgress;
  comm->in_progress = true;
  comm->polls_left = comm->shared->faults.polls;
  comm->background = std::jthread([shared = comm->shared] {
    if (shared->meeting.wait_for_all(shared->left)) shared->settle(ncclSuccess);
  });
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm == nullptr) return ncclInvalidArgument;
  if (!comm->finalized || comm->in_progress) return ncclInvalidUsage;
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm == nullptr) return ncclInvalidArgument;
  comm->shared->left = true;
  delete comm;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t /*comm*/) {
  return "";
}
