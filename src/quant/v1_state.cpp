// Weight of a step and gradients of a step of the V1 layer.
#include "src/quant/internal/v1_state.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/parallel.hpp"
#include "src/kernels/product.hpp"
#include "src/quant/internal/layer_tensors.hpp"
#include "src/quant/internal/v1_type.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

// A block of rows with its widened part stays in a core's second-level cache.
constexpr std::int64_t kBlockElements = 1 << 16;

/// The tensor's gradient, made where there is none, as `in` columns; undefined when it is not trained.
at::Tensor gradient_of(const at::Tensor& parameter, std::int64_t in) {
  if (!parameter.defined() || !parameter.requires_grad()) return {};
  if (!parameter.grad().defined()) parameter.mutable_grad() = at::zeros_like(parameter.detach());
  return parameter.grad().narrow(1, 0, in);
}

void add_whole(const at::Tensor& gradient, const at::Tensor& part) {
  gradient.add_(part);
}

/// LibTorch makes a float copy of a whole bf16 operand before it adds: two more passes over memory.
void add_by_blocks(const at::Tensor& gradient, const at::Tensor& part) {
  const std::int64_t rows = std::max<std::int64_t>(kBlockElements / part.size(1), 1);
  const std::int64_t blocks = (part.size(0) + rows - 1) / rows;
  kernels::parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;  // a thread-local switch
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t row = block * rows;
      const std::int64_t count = std::min(rows, part.size(0) - row);
      gradient.narrow(0, row, count).add_(part.narrow(0, row, count));
    }
  });
}

bool types_differ(const at::Tensor& gradient, const at::Tensor& part) {
  return gradient.scalar_type() != part.scalar_type();
}

constexpr kernels::Operation<decltype(add_whole)> kAdd(add_whole, {{at::kCPU, add_by_blocks, types_differ}});

/// gradient += part, both matrices.
void add_part(const at::Tensor& parameter, const at::Tensor& part) {
  const at::Tensor& gradient = parameter.grad();
  if (!gradient.defined()) return add_gradient(parameter, part);
  kAdd.run(kernels::common_device(gradient, part), gradient, part);
}

/// gradient += dy^T x, without a temporary where the types agree.
void add_product(const at::Tensor& parameter, const at::Tensor& dy, const at::Tensor& x) {
  if (!parameter.grad().defined() || x.scalar_type() != at::kFloat) {
    add_part(parameter, kernels::mm(dy.t(), x));
    return;
  }
  at::Tensor gradient = parameter.grad();
  kernels::addmm_(gradient, dy.t(), x);
}

}  // namespace

V1State::V1State(std::string layer_name, LinearQuant layer_quant, V1Linear::Tensors layer_tensors)
    : name(std::move(layer_name)),
      tensors(std::move(layer_tensors)),
      quant(std::move(layer_quant)),
      anchor(at::empty({0}).set_requires_grad(true)) {
  V1Linear::Tensors& t = tensors;
  if (!t.weight.defined() || t.weight.dim() != 2 || t.weight.scalar_type() != at::kFloat)
    throw_data("the weight must be a float matrix", name, "give a V1 checkpoint");
  if (t.full_scales.defined() == (t.scale_A.defined() || t.scale_B.defined()))
    throw_data("has neither scale_A and scale_B nor full_scales, or both", name, "give a V1 checkpoint");
  const std::int64_t out = t.weight.size(0);
  const std::int64_t in = t.weight.size(1);
  const at::Tensor& wide = t.full_scales.defined() ? t.full_scales : t.scale_B;
  if (!wide.defined() || wide.dim() != 2 || wide.size(1) < in)
    throw_data("its scales have fewer columns than its weight", name,
               "the tensors of one layer must fit together");
  quant.type = "v1";
  quant.padded_in = wide.size(1);
  quant.rank = t.full_scales.defined() ? 0 : wide.size(0);
  if (t.full_scales.defined())
    require_shape(t.full_scales, {out, quant.padded_in}, name, "full_scales");
  else
    require_shape(t.scale_A, {out, quant.rank}, name, "scale_A");
  if (!t.lut.defined() || t.lut.dim() != 1 || t.lut.numel() < 2 || t.lut.numel() > 256)
    throw_data("a table has 2 to 256 entries", name + ".lut", "give a V1 checkpoint");
  quant.lut_size = t.lut.numel();
  quant.lut_include_zero = is_split_table(t.lut);
  if (t.bias.defined()) require_shape(t.bias, {out}, name, "bias");
  t.weight = t.weight.contiguous();
  if (quant.snapped != V1Snap::none)
    snap_flag = at::full({1}, static_cast<std::int64_t>(quant.snapped), at::kChar);
}

bool V1State::trains_scales() const {
  for (const at::Tensor* scales : {&tensors.scale_A, &tensors.scale_B, &tensors.full_scales}) {
    if (scales->defined() && scales->requires_grad()) return true;
  }
  return false;
}

V1Scales V1State::scales() const {
  const at::NoGradGuard no_grad;
  const std::int64_t in = tensors.weight.size(1);
  if (tensors.full_scales.defined()) return {{}, {}, tensors.full_scales.detach().narrow(1, 0, in)};
  return {tensors.scale_A.detach(), tensors.scale_B.detach().narrow(1, 0, in).contiguous(), {}};
}

at::Tensor V1State::build_weight(at::ScalarType dtype) const {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = tensors.weight.detach();
  switch (quant.snapped) {
    case V1Snap::none:
      return v1_weight(weight, scales(), table(), dtype);
    case V1Snap::lut:
      return v1_scaled(weight, scales()).to(dtype);
    case V1Snap::baked:
      return weight.to(dtype);
  }
  return {};
}

at::Tensor V1State::weight(at::ScalarType dtype) {
  if (transient) return build_weight(dtype);
  if (!weight_.defined() || weight_.scalar_type() != dtype) weight_ = build_weight(dtype);
  return weight_;
}

void V1State::add_weight_gradient(const at::Tensor& dy, const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  if (trains_scales()) {
    const std::int64_t in = tensors.weight.size(1);
    const at::Tensor dw = kernels::mm(dy.t(), x);
    if (trains_weight()) add_part(tensors.weight, dw);
    v1_scale_backward(tensors.weight.detach(), scales(), table(), dw,
                      {gradient_of(tensors.scale_A, quant.rank), gradient_of(tensors.scale_B, in),
                       gradient_of(tensors.full_scales, in)});
  } else {
    add_product(tensors.weight, dy, x);
  }
  if (last_micro_step && gradients_ready) gradients_ready();
}

}  // namespace anemll
