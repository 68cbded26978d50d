// A communicator that leaves everything to another one: the base of those that change a call or two.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <memory>

namespace anemll {

class ForwardingCommunicator : public Communicator {
 public:
  /// `inner` must outlive it.
  explicit ForwardingCommunicator(Communicator& inner) : inner_(inner) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  std::string_view backend() const override { return inner_.backend(); }
  void barrier() override { inner_.barrier(); }
  void broadcast(std::span<std::byte> bytes, int root) override { inner_.broadcast(bytes, root); }
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    inner_.all_gather(mine, all);
  }
  void all_reduce(std::span<float> values, ReduceOp op) override { inner_.all_reduce(values, op); }
  void all_reduce(std::span<double> values, ReduceOp op) override { inner_.all_reduce(values, op); }
  void all_reduce(std::span<std::int64_t> values, ReduceOp op) override { inner_.all_reduce(values, op); }
  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    return inner_.all_reduce_async(data, count, stream);
  }
  void progress() override { inner_.progress(); }
  void abort(int exit_code) override { inner_.abort(exit_code); }

 protected:
  Communicator& inner() { return inner_; }
  const Communicator& inner() const { return inner_; }

 private:
  Communicator& inner_;
};

}  // namespace anemll
