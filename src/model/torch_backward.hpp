// The autograd engine behind one function, so that one file pays for its headers.
#pragma once

#include <ATen/core/Tensor.h>

namespace anemll {

/// Back-propagates `gradient` from `output`; leaves' gradients accumulate into their .grad.
void run_backward(const at::Tensor& output, const at::Tensor& gradient);

/// The current stream of a CUDA device as NCCL takes it; null for a CPU.
void* device_stream(at::Device device);

}  // namespace anemll
