// A communicator around another one: each call is noted before and behind it.
#include "src/comm/forwarding_communicator.hpp"
#include "src/comm/internal/flight_recorder.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>

namespace anemll {
namespace {

/// A sum and whether its end is noted.
struct RecordedSum {
  std::unique_ptr<PendingReduce> inner;
  FlightRecorder& recorder;
  std::uint64_t sequence;
  bool ended = false;

  /// Behind its wait().
  bool look() {
    if (!ended && inner->over()) note_end();
    return ended;
  }
  void note_end() {
    if (!ended) recorder.end(sequence);
    ended = true;
  }
};

/// Sums that a device works on behind their wait(). They are shared with the callers, who may drop theirs.
class OpenSums {
 public:
  void add(std::shared_ptr<RecordedSum> sum) { sums_.push_back(std::move(sum)); }
  /// Notes what has ended. A device takes them in order, so one question is enough while it works.
  void look() {
    while (!sums_.empty() && sums_.front()->look()) sums_.pop_front();
  }

 private:
  std::deque<std::shared_ptr<RecordedSum>> sums_;
};

class RecordedReduce final : public PendingReduce {
 public:
  RecordedReduce(std::shared_ptr<RecordedSum> sum, std::shared_ptr<OpenSums> open)
      : sum_(std::move(sum)), open_(std::move(open)) {}
  void wait() override {
    sum_->recorder.wait_in(sum_->sequence);
    sum_->inner->wait();
    if (sum_->look()) return;
    sum_->recorder.go_on();
    open_->add(sum_);
  }
  bool over() override { return sum_->look(); }
  void settle() override {
    open_->look();  // also for those behind this one: an error that follows ends the record
    if (sum_->ended) return sum_->inner->settle();
    sum_->recorder.wait_in(sum_->sequence);
    sum_->inner->settle();
    sum_->note_end();
  }

 private:
  std::shared_ptr<RecordedSum> sum_;
  std::shared_ptr<OpenSums> open_;
};

class RecordedCommunicator final : public ForwardingCommunicator {
 public:
  RecordedCommunicator(Communicator& inner, FlightRecorder& recorder)
      : ForwardingCommunicator(inner), recorder_(recorder) {}

  void barrier() override {
    note("barrier", 0, [&] { inner().barrier(); });
  }
  void broadcast(std::span<std::byte> bytes, int root) override {
    note("broadcast", bytes.size(), [&] { inner().broadcast(bytes, root); });
  }
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    note("all_gather", mine.size(), [&] { inner().all_gather(mine, all); });
  }
  void all_reduce(std::span<float> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<double> values, ReduceOp op) override { reduce(values, op); }
  void all_reduce(std::span<std::int64_t> values, ReduceOp op) override { reduce(values, op); }

  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    open_->look();
    const std::uint64_t sequence = recorder_.begin("all_reduce_async", count * sizeof(float));
    recorder_.wait_in(sequence);  // a backend may wait for its peers before the sum is on its way
    auto pending = inner().all_reduce_async(data, count, stream);
    recorder_.go_on();
    return std::make_unique<RecordedReduce>(
        std::make_shared<RecordedSum>(RecordedSum{std::move(pending), recorder_, sequence}), open_);
  }
  void progress() override {
    open_->look();
    inner().progress();
  }

 private:
  /// A collective from its begin to the end of `call`. One that throws stays open, which tells where it
  /// happened.
  template <class Call>
  void note(const char* kind, std::size_t bytes, const Call& call) {
    open_->look();
    const std::uint64_t sequence = recorder_.begin(kind, bytes);
    recorder_.wait_in(sequence);
    call();
    recorder_.end(sequence);
  }
  template <class T>
  void reduce(std::span<T> values, ReduceOp op) {
    note("all_reduce", values.size_bytes(), [&] { inner().all_reduce(values, op); });
  }

  FlightRecorder& recorder_;
  std::shared_ptr<OpenSums> open_ = std::make_shared<OpenSums>();
};

}  // namespace

std::unique_ptr<Communicator> make_recorded_communicator(Communicator& inner, FlightRecorder& recorder) {
  return std::make_unique<RecordedCommunicator>(inner, recorder);
}

}  // namespace anemll
