// Host tensors to and from LibTorch, without copies where lifetimes allow.
#pragma once

#include "anemll/core/tensor.hpp"

#include <ATen/core/Tensor.h>

namespace anemll {

at::ScalarType to_torch(DType dtype);
DType from_torch(at::ScalarType dtype);
/// A CPU view; the result keeps the host tensor's owner alive. Do not write to it.
at::Tensor as_torch(const HostTensor& tensor);
/// A view of a CPU tensor (made contiguous first); keeps it alive.
HostTensor as_host(const at::Tensor& tensor);

}  // namespace anemll
