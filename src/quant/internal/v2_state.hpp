// What a V2 layer and its autograd nodes share: tensors, switches, the step's weight and the sum of weight
// gradients. Internal to the room.
#pragma once

#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/v2_layer.hpp"

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

namespace anemll {

class V2State {
 public:
  V2State(std::string layer_name, V2Config layer_config, V2Linear::Tensors layer_tensors);

  const std::string name;
  const V2Config config;
  V2Linear::Tensors tensors;
  at::Tensor baked_flag, positive_switch;  ///< int8 {1} where these are on, as a native state holds them
  ForwardMode mode = ForwardMode::materialised;
  bool ste = false;
  bool scale_grid = false;
  bool transient = false;
  bool last_micro_step = true;
  std::function<void()> gradients_ready;
  /// An input that requires a gradient: makes an autograd node exist when x does not need one.
  const at::Tensor anchor;

  bool batched() const;
  bool trains_a() const { return tensors.scale_A.requires_grad(); }
  bool trains_b() const { return tensors.scale_B.requires_grad(); }
  bool trains_g() const { return tensors.rank_magnitude.requires_grad(); }
  bool trains() const { return trains_a() || trains_b() || trains_g(); }

  ScaleFactors factors() const;
  /// lut, rounded to half with STE.
  at::Tensor table() const;

  /// As these factors make it.
  at::Tensor build_weight(const ScaleFactors& factors, at::ScalarType dtype) const;
  /// The step's weight in `dtype`: cached unless transient.
  at::Tensor weight(at::ScalarType dtype);
  void drop_weight();

  /// dW += dy^T x; on the last micro-step contracts the sum into the gradients of the factors.
  void add_weight_gradient(const at::Tensor& dy, const at::Tensor& x);
  /// Takes the gradients of A_dir g [out, r] and of B_dir [r, in] (undefined where nothing needs them) back
  /// to the parameters' .grad; on the last micro-step tells the listener.
  void deliver(const ScaleFactors& factors, const at::Tensor& d_scaled_a, const at::Tensor& d_b_dir);

 private:
  struct ProductFactors {
    at::Tensor a, b;  ///< A_dir g and B_dir, rounded to half with STE, or to 8-bit grids
    at::Tensor lut;   ///< table()
  };
  ProductFactors product_factors(const ScaleFactors& factors) const;
  at::Tensor weight_of(const ProductFactors& product, at::ScalarType dtype) const;
  void contract(const at::Tensor& dw);

  ScaleFactors step_factors_;
  ProductFactors step_product_;  ///< of step_factors_: backward would make the same again
  at::Tensor weight_;
  at::Tensor gradient_sum_;  ///< fp32 [out, in]; exists once a step has had several micro-steps
  bool sum_started_ = false;
};

/// y = x W^T through the step's weight, with the hand-written backward.
at::Tensor forward_materialised(const std::shared_ptr<V2State>& state, const at::Tensor& x);
/// The two orderings of the reference; `batched` computes all ranks in one product.
at::Tensor forward_loop(const std::shared_ptr<V2State>& state, const at::Tensor& x);
at::Tensor forward_batched(const std::shared_ptr<V2State>& state, const at::Tensor& x);

}  // namespace anemll
