// R(x) of the V2 layer. The reference clamps in x's dtype, where bfloat16 turns the bound into 65536 and the
// cast into infinity; clamping in float repairs that.
#include "src/quant/ste.hpp"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace anemll {
namespace {

constexpr double kHalfMax = 65504.0;
constexpr double kHalfMaxInBfloat16 = 65280.0;

struct RoundHalf : torch::autograd::Function<RoundHalf> {
  static at::Tensor forward(torch::autograd::AutogradContext* /*context*/, const at::Tensor& x) {
    return round_half(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*context*/,
                                                 const torch::autograd::variable_list& gradients) {
    return {gradients[0]};
  }
};

}  // namespace

at::Tensor round_half(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  if (x.scalar_type() == at::kHalf) return x.detach();
  const double bound = x.scalar_type() == at::kBFloat16 ? kHalfMaxInBfloat16 : kHalfMax;
  return x.detach().to(at::kFloat).clamp(-bound, bound).to(at::kHalf).to(x.scalar_type());
}

at::Tensor round_half_ste(const at::Tensor& x) {
  if (x.scalar_type() == at::kHalf) return x;
  return RoundHalf::apply(x);
}

}  // namespace anemll
