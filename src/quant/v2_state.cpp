// Weight of a step and gradients of a step. With S = A B (A = A_dir g) and W = Q o S:
// dS = dW o Q, dA = dS B^T, dB = A^T dS; then back through the normalisation.
#include "src/quant/internal/v2_state.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/product.hpp"
#include "src/quant/internal/layer_tensors.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/scale_grid.hpp"
#include "src/quant/ste.hpp"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

constexpr std::int64_t kBatchedFromRank = 16;  // the reference's switch between its two orderings

}  // namespace

V2State::V2State(std::string layer_name, V2Config layer_config, V2Linear::Tensors layer_tensors)
    : name(std::move(layer_name)),
      config(layer_config),
      tensors(std::move(layer_tensors)),
      anchor(at::empty({0}).set_requires_grad(true)) {
  if (!tensors.indices.defined() || tensors.indices.dim() != 2 || tensors.indices.scalar_type() != at::kByte)
    throw_data("indices must be a uint8 matrix", name, "freeze the layer first");
  const std::int64_t out = tensors.indices.size(0);
  const std::int64_t in = tensors.indices.size(1);
  require_shape(tensors.scale_A, {out, config.rank}, name, "scale_A");
  require_shape(tensors.scale_B, {config.rank, in}, name, "scale_B");
  require_shape(tensors.rank_magnitude, {config.rank}, name, "rank_magnitude");
  require_shape(tensors.lut, {config.lut_size}, name, "lut");
  if (tensors.bias.defined()) require_shape(tensors.bias, {out}, name, "bias");
  tensors.indices = tensors.indices.contiguous();
  if (tensors.baked) baked_flag = at::tensor({1}, at::kChar);
  if (config.force_positive_scales) positive_switch = at::tensor({1}, at::kChar);
}

bool V2State::batched() const {
  return mode == ForwardMode::batched || (mode == ForwardMode::automatic && config.rank >= kBatchedFromRank);
}

ScaleFactors V2State::factors() const {
  return normalise_scales(tensors.scale_A, tensors.scale_B, tensors.rank_magnitude, tensors.baked, config,
                          ste);
}

at::Tensor V2State::table() const {
  return ste ? round_half(tensors.lut) : tensors.lut;
}

V2State::ProductFactors V2State::product_factors(const ScaleFactors& factors) const {
  if (scale_grid) {  // halves too
    const at::Tensor a = factors.scaled_a();
    return {nearest_on_grid(a, grid_steps(a, 1), 1),
            nearest_on_grid(factors.b_dir, grid_steps(factors.b_dir, 0), 0).contiguous(), table()};
  }
  if (!ste) return {factors.scaled_a(), factors.b_dir.contiguous(), table()};
  return {round_half(factors.scaled_a()), round_half(factors.b_dir).contiguous(), table()};
}

at::Tensor V2State::build_weight(const ScaleFactors& factors, at::ScalarType dtype) const {
  const at::NoGradGuard no_grad;
  return weight_of(product_factors(factors), dtype);
}

at::Tensor V2State::weight_of(const ProductFactors& product, at::ScalarType dtype) const {
  return lut_scaled(tensors.indices, product.lut, product.a, product.b, dtype);
}

at::Tensor V2State::weight(at::ScalarType dtype) {
  if (transient) return build_weight(factors(), dtype);
  if (!weight_.defined() || weight_.scalar_type() != dtype) {
    const at::NoGradGuard no_grad;
    if (!step_factors_.g.defined()) {
      step_factors_ = factors();
      step_product_ = product_factors(step_factors_);
    }
    weight_ = weight_of(step_product_, dtype);
  }
  return weight_;
}

void V2State::drop_weight() {
  weight_.reset();
  step_factors_ = ScaleFactors();
  step_product_ = ProductFactors();
}

void V2State::add_weight_gradient(const at::Tensor& dy, const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  if (last_micro_step && !sum_started_) {
    contract(kernels::mm(dy.t(), x));
    return;
  }
  if (!gradient_sum_.defined())
    gradient_sum_ = at::empty(tensors.indices.sizes(), tensors.indices.options().dtype(at::kFloat));
  if (x.scalar_type() == at::kFloat) {
    if (sum_started_)
      kernels::addmm_(gradient_sum_, dy.t(), x);
    else
      kernels::mm_out(gradient_sum_, dy.t(), x);
  } else {
    const at::Tensor part = kernels::mm(dy.t(), x);
    if (sum_started_)
      gradient_sum_.add_(part);
    else
      gradient_sum_.copy_(part);
  }
  sum_started_ = !last_micro_step;
  if (last_micro_step) contract(gradient_sum_);
}

void V2State::contract(const at::Tensor& dw) {
  const ScaleFactors step = step_factors_.g.defined() ? step_factors_ : factors();
  const ProductFactors product = step_product_.lut.defined() ? step_product_ : product_factors(step);
  const FactorGradients gradients = lut_scaled_backward(tensors.indices, product.lut, product.a, product.b,
                                                        dw, trains_a() || trains_g(), trains_b());
  deliver(step, gradients.a, gradients.b);
}

void V2State::deliver(const ScaleFactors& factors, const at::Tensor& d_scaled_a, const at::Tensor& d_b_dir) {
  const at::NoGradGuard no_grad;
  const ScaleGradients gradients =
      scale_gradients(factors, tensors.scale_A, tensors.scale_B, tensors.baked, config, d_scaled_a, d_b_dir,
                      trains_a(), trains_b(), trains_g());
  if (gradients.a.defined()) add_gradient(tensors.scale_A, gradients.a);
  if (gradients.b.defined()) add_gradient(tensors.scale_B, gradients.b);
  if (gradients.g.defined()) add_gradient(tensors.rank_magnitude, gradients.g);
  if (last_micro_step && gradients_ready) gradients_ready();
}

}  // namespace anemll
