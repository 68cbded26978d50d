// A linear with a frozen float weight: the teacher's layers. The weight stays in its memory map and its file
// dtype; a copy is made, once per compute dtype, only when the two dtypes or devices differ.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/model/linear.hpp"

namespace anemll {

class DenseLinear final : public Linear {
 public:
  /// weight [out, in], bias [out] or undefined, in any floating dtype.
  DenseLinear(at::Tensor weight, at::Tensor bias, at::Device device);
  at::Tensor forward(const at::Tensor& x) override;

 private:
  void require(at::ScalarType dtype);
  at::Tensor weight_, bias_;  // as given
  at::Device device_;
  at::Tensor ready_weight_, ready_bias_;  // in the dtype of the last call
};

}  // namespace anemll
