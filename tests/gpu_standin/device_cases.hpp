// What the NCCL backend must do beyond the cases of all backends, on one rank of many: sums on streams. The
// cases throw instead of using Boost's macros, which are not safe on threads.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "tests/gpu_standin/tasks.hpp"
#include "tests/support/communicator_cases.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include <cuda_runtime_api.h>

namespace anemll::test {

class TestStream {
 public:
  TestStream() { cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, 0); }
  ~TestStream() { cudaStreamDestroy(stream_); }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;
  cudaStream_t get() const { return stream_; }
  void synchronize() const { cudaStreamSynchronize(stream_); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Every sum has the bits of `oracle`'s, which adds host memory.
inline void check_device_sums(Communicator& comm, Communicator& oracle) {
  const TestStream stream;
  for (const std::size_t count : {1U, 2U, 3U, 1000U, 16384U, 16385U, 40009U}) {
    std::vector<float> device = rank_values<float>(comm.rank(), count);
    std::vector<float> host = device;
    comm.all_reduce_async(device.data(), count, stream.get())->wait();
    oracle.all_reduce(std::span(host), ReduceOp::sum);
    stream.synchronize();
    require(same_bits(device, host), "a sum on a stream has other bits than the oracle's", comm);
  }
}

/// The sum takes what the caller's stream wrote before it, and what the caller's stream does behind wait()
/// sees the sum, though the host waits for neither.
inline void check_stream_order(Communicator& comm) {
  using namespace std::chrono_literals;
  const TestStream stream;
  const std::size_t count = 5000;
  for (int round = 0; round < 3; ++round) {
    std::vector<float> values(count, -1.0F);
    std::vector<float> seen(count);
    standin::enqueue(stream.get(), [&values, &comm] {
      std::this_thread::sleep_for(3ms);
      const std::vector<float> written = rank_values<float>(comm.rank(), values.size());
      std::copy(written.begin(), written.end(), values.begin());  // in place: the sum has the address
    });
    const auto pending = comm.all_reduce_async(values.data(), count, stream.get());
    pending->wait();
    standin::enqueue(stream.get(), [&] { seen = values; });
    stream.synchronize();
    require(same_bits(seen, expected_reduction<float>(comm.size(), count, ReduceOp::sum)),
            "work on the caller's stream is not ordered around the sum", comm);
  }
}

/// Sums of one step under way together, their results dropped in any order.
inline void check_many_under_way(Communicator& comm) {
  const TestStream stream;
  std::vector<std::vector<float>> buffers;
  for (std::size_t i = 0; i < 20; ++i) buffers.push_back(rank_values<float>(comm.rank(), 100 + 37 * i));
  std::vector<std::unique_ptr<PendingReduce>> pending;
  for (auto& buffer : buffers)
    pending.push_back(comm.all_reduce_async(buffer.data(), buffer.size(), stream.get()));
  std::reverse(pending.begin(), pending.end());
  for (auto& one : pending) one->wait();
  pending.clear();
  stream.synchronize();
  for (const auto& buffer : buffers)
    require(same_bits(buffer, expected_reduction<float>(comm.size(), buffer.size(), ReduceOp::sum)),
            "one of many sums", comm);
}

inline void check_device(Communicator& comm, Communicator& oracle) {
  check_device_sums(comm, oracle);
  check_stream_order(comm);
  check_many_under_way(comm);
}

}  // namespace anemll::test
