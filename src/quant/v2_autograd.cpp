// The three forwards of the V2 layer, and the autograd nodes of those that go rank by rank.
#include "src/kernels/product.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/internal/materialised.hpp"
#include "src/quant/internal/v2_state.hpp"
#include "src/quant/ste.hpp"

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using StatePtr = std::shared_ptr<V2State>;

/// u Q^T with Q looked up again in backward: no float matrix is kept.
struct LutProduct : torch::autograd::Function<LutProduct> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& u, const StatePtr& state) {
    keep(context, state);
    const at::Tensor q = lut_values(state->tensors.indices, state->table(), u.scalar_type());
    return like_rows(kernels::mm(rows(u), q.t()), u.sizes());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const StatePtr state = kept<V2State>(context);
    const at::Tensor q = lut_values(state->tensors.indices, state->table(), gradients[0].scalar_type());
    return {like_rows(kernels::mm(rows(gradients[0]), q), gradients[0].sizes()), {}};
  }
};

/// () -> A_dir g and B_dir as they are now; backward takes their gradients to the parameters.
struct Factors : torch::autograd::Function<Factors> {
  static variable_list forward(AutogradContext* context, const at::Tensor& /*anchor*/,
                               const StatePtr& state) {
    keep(context, state);
    const ScaleFactors factors = state->factors();
    // Baked factors are the parameters themselves; outputs of a node must be tensors of its own.
    variable_list outputs = {factors.scaled_a(),
                             state->tensors.baked ? factors.b_dir.clone() : factors.b_dir};
    variable_list constant;
    if (!state->trains_a() && !state->trains_g()) constant.push_back(outputs[0]);
    if (!state->trains_b()) constant.push_back(outputs[1]);
    context->mark_non_differentiable(constant);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const StatePtr state = kept<V2State>(context);
    state->deliver(state->factors(), gradients[0], gradients[1]);
    return {{}, {}};
  }
};

struct Operands {
  at::Tensor a, b;  ///< [out, r] and [r, in] in x's dtype, rounded with STE
};

at::Tensor rounded(const at::Tensor& x, bool ste) {
  return ste ? round_half_ste(x) : x;
}

Operands operands(const StatePtr& state, at::ScalarType dtype) {
  const variable_list factors = Factors::apply(anchor_of(*state), state);
  return {rounded(factors[0].to(dtype), state->ste), rounded(factors[1].to(dtype), state->ste)};
}

at::Tensor with_bias(const at::Tensor& y, const V2State& state) {
  if (!state.tensors.bias.defined()) return y;
  return y + rounded(state.tensors.bias.to(y.scalar_type()), state.ste);
}

}  // namespace

at::Tensor forward_materialised(const std::shared_ptr<V2State>& state, const at::Tensor& x) {
  return materialised(state, x);
}

at::Tensor forward_loop(const std::shared_ptr<V2State>& state, const at::Tensor& x) {
  const Operands factors = operands(state, x.scalar_type());
  at::Tensor y;
  for (std::int64_t k = 0; k < state->config.rank; ++k) {
    const at::Tensor u = rounded(x * factors.b.select(0, k), state->ste);
    const at::Tensor v = rounded(LutProduct::apply(u, state), state->ste);
    const at::Tensor part = v * factors.a.select(1, k);
    y = rounded(y.defined() ? y + part : part, state->ste);
  }
  return with_bias(y, *state);
}

at::Tensor forward_batched(const std::shared_ptr<V2State>& state, const at::Tensor& x) {
  const Operands factors = operands(state, x.scalar_type());
  const at::Tensor u = rounded(x.unsqueeze(-2) * factors.b, state->ste);       // [..., r, in]
  const at::Tensor v = rounded(LutProduct::apply(u, state), state->ste);       // [..., r, out]
  return with_bias(rounded((v * factors.a.t()).sum(-2), state->ste), *state);  // [..., out]
}

}  // namespace anemll
