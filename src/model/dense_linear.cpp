#include "src/model/internal/dense_linear.hpp"

#include "src/kernels/product.hpp"

#include <utility>

namespace anemll {

DenseLinear::DenseLinear(at::Tensor weight, at::Tensor bias, at::Device device)
    : weight_(std::move(weight)), bias_(std::move(bias)), device_(device) {}

void DenseLinear::require(at::ScalarType dtype) {
  if (ready_weight_.defined() && ready_weight_.scalar_type() == dtype) return;
  ready_weight_ = weight_.to(device_, dtype);  // the same tensor when nothing changes
  if (bias_.defined()) ready_bias_ = bias_.to(device_, dtype);
}

at::Tensor DenseLinear::forward(const at::Tensor& x) {
  require(x.scalar_type());
  // The weight needs no gradient, so autograd keeps it and not x.
  return kernels::linear(x, ready_weight_, ready_bias_);
}

}  // namespace anemll
