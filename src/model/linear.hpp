// The one seam between the decoder and quantisation: anything that maps [..., in] to [..., out].
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

class Linear {
 public:
  virtual ~Linear() = default;
  /// x [..., in] in the decoder's compute dtype -> [..., out] in the same dtype. Takes part in autograd.
  virtual at::Tensor forward(const at::Tensor& x) = 0;
};

}  // namespace anemll
