// What a V1 layer and its autograd nodes share: tensors, switches and the step's weight. Internal to the
// room.
#pragma once

#include "src/quant/internal/v1_layer.hpp"
#include "src/quant/internal/v1_weight.hpp"

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

class V1State {
 public:
  V1State(std::string layer_name, LinearQuant layer_quant, V1Linear::Tensors layer_tensors);

  const std::string name;
  V1Linear::Tensors tensors;
  LinearQuant quant;     ///< with the numbers of the tensors
  at::Tensor snap_flag;  ///< int8 {1} of a snapped layer, as a native state holds it
  bool transient = false;
  bool last_micro_step = true;
  std::function<void()> gradients_ready;
  /// An input that requires a gradient: makes an autograd node exist when x does not need one.
  const at::Tensor anchor;

  bool trains_weight() const { return tensors.weight.requires_grad(); }
  bool trains_scales() const;
  bool trains() const { return trains_weight() || trains_scales(); }

  /// Without the padded columns.
  V1Scales scales() const;
  V1Table table() const { return {tensors.lut, quant.lut_include_zero}; }

  at::Tensor build_weight(at::ScalarType dtype) const;
  /// The step's weight in `dtype`: cached unless transient.
  at::Tensor weight(at::ScalarType dtype);
  void drop_weight() { weight_.reset(); }

  /// Takes dW = dy^T x to the gradients of what trains; on the last micro-step tells the listener.
  void add_weight_gradient(const at::Tensor& dy, const at::Tensor& x);

 private:
  at::Tensor weight_;
};

}  // namespace anemll
