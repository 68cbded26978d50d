#include "src/model/torch_backward.hpp"

#include <c10/core/AutogradState.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/autograd/autograd.h>

namespace anemll {
namespace {

/// Keeps backward on the calling thread. For a GPU LibTorch takes a thread of its own otherwise, and the
/// hooks of finished gradients call MPI, which takes calls of one thread only.
class OnThisThread {
 public:
  OnThisThread() {
    c10::AutogradState state = before_;
    state.set_multithreading_enabled(false);
    c10::AutogradState::set_tls_state(state);
  }
  ~OnThisThread() { c10::AutogradState::set_tls_state(before_); }
  OnThisThread(const OnThisThread&) = delete;
  OnThisThread& operator=(const OnThisThread&) = delete;

 private:
  const c10::AutogradState before_ = c10::AutogradState::get_tls_state();
};

}  // namespace

void run_backward(const at::Tensor& output, const at::Tensor& gradient) {
  const OnThisThread guard;
  torch::autograd::backward({output}, {gradient});
}

void* device_stream(at::Device device) {
  if (device.is_cpu()) return nullptr;
  const c10::impl::VirtualGuardImpl guard(device.type());
  return guard.getStreamNativeHandle(guard.getStream(device));
}

}  // namespace anemll
