// A product with a weight that is built once a step, as a node of autograd. Parameters are not inputs of the
// graph: nodes hang on the state's anchor and the state adds straight to the parameters' .grad, so that a
// recomputed forward (gradient checkpointing) is one more node whose backward runs once.
//
// A state has: `anchor`, a tensor that requires a gradient; trains(); weight(dtype), the step's weight;
// add_weight_gradient(dy, x), which takes dW = dy^T x to the gradients; and tensors.bias.
#pragma once

#include "src/kernels/product.hpp"

#include <memory>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll {

template <class State>
struct StateHolder : torch::CustomClassHolder {
  explicit StateHolder(std::shared_ptr<State> s) : state(std::move(s)) {}
  std::shared_ptr<State> state;
};

template <class State>
void keep(torch::autograd::AutogradContext* context, const std::shared_ptr<State>& state) {
  context->saved_data["state"] = c10::IValue::make_capsule(c10::make_intrusive<StateHolder<State>>(state));
}

template <class State>
std::shared_ptr<State> kept(torch::autograd::AutogradContext* context) {
  const auto holder = context->saved_data["state"].toCapsule();
  return static_cast<StateHolder<State>*>(holder.get())->state;
}

/// [..., n] as a matrix, and back with another last size.
inline at::Tensor rows(const at::Tensor& x) {
  return x.reshape({-1, x.size(-1)});
}

inline at::Tensor like_rows(const at::Tensor& y, at::IntArrayRef shape) {
  std::vector<std::int64_t> sizes(shape.begin(), shape.end());
  sizes.back() = y.size(1);
  return y.view(sizes);
}

/// Requires a gradient exactly when a parameter does.
template <class State>
at::Tensor anchor_of(const State& state) {
  return state.trains() ? state.anchor : state.anchor.detach();
}

template <class State>
struct Materialised : torch::autograd::Function<Materialised<State>> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& /*anchor*/, const std::shared_ptr<State>& state) {
    keep(context, state);
    if (state->trains()) context->save_for_backward({x});
    return like_rows(kernels::mm(rows(x), state->weight(x.scalar_type()).t()), x.sizes());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const std::shared_ptr<State> state = kept<State>(context);
    const at::Tensor dy = rows(gradients[0]);
    const torch::autograd::variable_list saved = context->get_saved_variables();
    at::Tensor dx;
    if (context->needs_input_grad(0))
      dx = like_rows(kernels::mm(dy, state->weight(dy.scalar_type())), gradients[0].sizes());
    if (!saved.empty()) state->add_weight_gradient(dy, rows(saved[0]));
    return {dx, {}, {}};
  }
};

/// x W^T + bias through the step's weight.
template <class State>
at::Tensor materialised(const std::shared_ptr<State>& state, const at::Tensor& x) {
  const at::Tensor y = Materialised<State>::apply(x, anchor_of(*state), state);
  return state->tensors.bias.defined() ? y + state->tensors.bias.to(y.scalar_type()) : y;
}

}  // namespace anemll
