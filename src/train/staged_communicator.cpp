// Host sums for device memory.
#include "src/comm/forwarding_communicator.hpp"
#include "src/train/internal/reduction_backend.hpp"

#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

namespace anemll {
namespace {

class StagedReduce final : public PendingReduce {
 public:
  StagedReduce(Communicator& comm, at::Tensor device_values)
      : device_(std::move(device_values)), host_(device_.to(at::kCPU, device_.scalar_type(), false, true)) {
    pending_ =
        comm.all_reduce_async(host_.data_ptr<float>(), static_cast<std::size_t>(host_.numel()), nullptr);
  }
  void wait() override {
    pending_->wait();
    const at::NoGradGuard no_grad;
    device_.copy_(host_);
  }

 private:
  at::Tensor device_;
  at::Tensor host_;  ///< a copy of its own
  std::unique_ptr<PendingReduce> pending_;
};

class StagedCommunicator final : public ForwardingCommunicator {
 public:
  StagedCommunicator(Communicator& comm, at::Device device) : ForwardingCommunicator(comm), device_(device) {}

  /// LibTorch copies on its current stream, which is the one that the gradients come from.
  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void*) override {
    const at::TensorOptions where = at::TensorOptions().dtype(at::kFloat).device(device_);
    return std::make_unique<StagedReduce>(inner(),
                                          at::from_blob(data, {static_cast<std::int64_t>(count)}, where));
  }

 private:
  at::Device device_;
};

}  // namespace

std::unique_ptr<Communicator> make_staged_communicator(Communicator& comm, at::Device device) {
  return std::make_unique<StagedCommunicator>(comm, device);
}

}  // namespace anemll
