#include "src/model/checkpoint.hpp"

#include <optional>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Carries the segment through saved_data, which takes only script values and their holders.
struct SegmentHolder : torch::CustomClassHolder {
  explicit SegmentHolder(Segment s) : segment(std::move(s)) {}
  Segment segment;
};

struct Recompute : torch::autograd::Function<Recompute> {
  /// `anchor` requires a gradient so that backward is reached even when the inputs need none (first layer).
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden,
                               const std::optional<at::Tensor>& optional_delta, const at::Tensor& /*anchor*/,
                               const Segment* segment) {
    const at::Tensor delta = optional_delta.value_or(at::Tensor());
    ctx->save_for_backward({hidden, delta});
    ctx->saved_data["segment"] = c10::IValue::make_capsule(c10::make_intrusive<SegmentHolder>(*segment));
    ctx->saved_data["hidden_grad"] = hidden.requires_grad();
    ctx->saved_data["delta_grad"] = delta.defined() && delta.requires_grad();
    const Stream out = (*segment)({hidden.detach(), delta.defined() ? delta.detach() : delta});
    return {out.hidden, out.delta};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto holder = ctx->saved_data["segment"].toCapsule();
    const Segment& segment = static_cast<SegmentHolder*>(holder.get())->segment;
    Stream in{saved[0].detach(), saved[1].defined() ? saved[1].detach() : saved[1]};
    if (ctx->saved_data["hidden_grad"].toBool()) in.hidden.set_requires_grad(true);
    if (ctx->saved_data["delta_grad"].toBool()) in.delta.set_requires_grad(true);
    variable_list outputs;
    variable_list output_grads;
    {
      const at::AutoGradMode recording(true);
      const Stream out = segment(in);
      const auto add = [&](const at::Tensor& output, const at::Tensor& grad) {
        if (!grad.defined() || !output.requires_grad()) return;
        outputs.push_back(output);
        output_grads.push_back(grad);
      };
      add(out.hidden, grads[0]);
      add(out.delta, grads[1]);
    }
    if (!outputs.empty()) torch::autograd::backward(outputs, output_grads);
    const at::Tensor grad_delta = in.delta.defined() ? in.delta.grad() : at::Tensor();
    return {in.hidden.grad(), grad_delta, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Stream checkpoint(const Segment& segment, const Stream& in) {
  if (!at::GradMode::is_enabled()) return segment(in);
  const at::Tensor anchor = at::zeros({1}).set_requires_grad(true);
  const std::optional<at::Tensor> delta = in.delta.defined() ? std::optional(in.delta) : std::nullopt;
  const variable_list out = Recompute::apply(in.hidden, delta, anchor, &segment);
  return {out[0], out[1]};
}

}  // namespace anemll
