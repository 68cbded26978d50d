// A communicator around another one: each call is noted before and behind it.
#include "src/comm/forwarding_communicator.hpp"
#include "src/comm/internal/flight_recorder.hpp"

namespace anemll {
namespace {

/// A collective from its begin to the end of the scope. One that throws stays open, which tells where it
/// happened.
template <class Call>
void noted(FlightRecorder& recorder, const char* kind, std::size_t bytes, const Call& call) {
  const std::uint64_t sequence = recorder.begin(kind, bytes);
  recorder.wait_in(sequence);
  call();
  recorder.end(sequence);
}

class RecordedReduce final : public PendingReduce {
 public:
  RecordedReduce(std::unique_ptr<PendingReduce> inner, FlightRecorder& recorder, std::uint64_t sequence)
      : inner_(std::move(inner)), recorder_(recorder), sequence_(sequence) {}
  void wait() override {
    recorder_.wait_in(sequence_);
    inner_->wait();
    recorder_.end(sequence_);
  }

 private:
  std::unique_ptr<PendingReduce> inner_;
  FlightRecorder& recorder_;
  std::uint64_t sequence_;
};

class RecordedCommunicator final : public ForwardingCommunicator {
 public:
  RecordedCommunicator(Communicator& inner, FlightRecorder& recorder)
      : ForwardingCommunicator(inner), recorder_(recorder) {}

  void barrier() override {
    noted(recorder_, "barrier", 0, [&] { inner().barrier(); });
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    noted(recorder_, "broadcast", bytes.size(), [&] { inner().broadcast(bytes, root); });
  }
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    noted(recorder_, "all_gather", mine.size(), [&] { inner().all_gather(mine, all); });
  }
  void all_reduce(std::span<float> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<double> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<std::int64_t> values, ReduceOp op) override { reduce(values, op); }

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    const std::uint64_t sequence = recorder_.begin("all_reduce_async", count * sizeof(float));
    return std::make_unique<RecordedReduce>(inner().all_reduce_async(data, count, stream), recorder_,
                                            sequence);
  }

 private:
  template <class T>
  void reduce(std::span<T> values, ReduceOp op) {
    noted(recorder_, "all_reduce", values.size_bytes(), [&] { inner().all_reduce(values, op); });
  }

  FlightRecorder& recorder_;
};

}  // namespace

std::unique_ptr<Communicator> make_recorded_communicator(Communicator& inner, FlightRecorder& recorder) {
  return std::make_unique<RecordedCommunicator>(inner, recorder);
}

}  // namespace anemll
