// A linear of the unquantised model, in fp32, for as long as its block is looked at.
#pragma once

#include "src/kernels/product.hpp"
#include "src/model/linear.hpp"

#include <utility>

#include <ATen/core/Tensor.h>

namespace anemll {

class FloatLinear final : public Linear {
 public:
  /// weight [out, in], bias [out] or undefined.
  FloatLinear(at::Tensor weight, at::Tensor bias) : weight_(std::move(weight)), bias_(std::move(bias)) {}
  at::Tensor forward(const at::Tensor& x) override { return kernels::linear(x, weight_, bias_); }

 private:
  at::Tensor weight_, bias_;
};

}  // namespace anemll
