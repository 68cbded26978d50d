// Every operation that has a form of its own on some device, forward and gradients, against the CPU's kernel
// of the same name:
//   kernel_check cuda    what runs on the GPU
//   kernel_check cpu     the forms by operators, which GPUs run, on the CPU
// One JSON array: name, type, the largest difference relative to the largest value, verdict. Exit code 1 when
// one is wrong.
#include "anemll/core/log.hpp"
#include "src/kernels/functions.hpp"
#include "src/kernels/internal/generic.hpp"
#include "src/kernels/product.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/internal/v1_weight.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>

namespace {

using namespace anemll;
using Tensors = std::vector<at::Tensor>;
using Form = std::function<Tensors(const Tensors&)>;

// Of sums of at most some hundred terms in another order, and of one rounding to the type.
constexpr double kFp32 = 2e-5;
constexpr double kBf16 = 1.6e-2;

struct Case {
  std::string name;
  at::ScalarType type;
  Tensors inputs;  ///< on the CPU; undefined ones stay so
  Form kernel;     ///< as the programs call it
  Form operators;  ///< the form of devices without kernels; none: there is one form alone
};

/// `f` of the inputs on `device`, and the gradients of those that ask for one.
Tensors with_gradients(const Form& f, const Tensors& inputs, at::Device device) {
  Tensors there;
  for (const at::Tensor& input : inputs) {
    if (!input.defined()) {
      there.emplace_back();
      continue;
    }
    there.push_back(input.detach().to(device).clone());
    if (input.requires_grad()) there.back().requires_grad_(true);
  }
  Tensors results = f(there);
  at::Tensor loss;
  for (const at::Tensor& result : results) {
    if (!result.requires_grad()) continue;
    // Another weight for each element: a sum alone would hide gradients that lie in the wrong place.
    const at::Tensor weight = at::arange(result.numel(), result.options().dtype(at::kFloat)).cos();
    const at::Tensor part = result.to(at::kFloat).flatten().mul(weight).sum();
    loss = loss.defined() ? loss.add(part) : part;
  }
  if (loss.defined()) loss.backward();
  for (const at::Tensor& input : there) {
    if (input.defined() && input.grad().defined()) results.push_back(input.grad());
  }
  return results;
}

double difference(const Tensors& left, const Tensors& right) {
  if (left.size() != right.size()) return 1e30;
  double most = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const at::Tensor a = left[i].detach().cpu().to(at::kDouble);
    const at::Tensor b = right[i].detach().cpu().to(at::kDouble);
    if (a.sizes() != b.sizes()) return 1e30;
    const double scale = std::max(a.abs().max().item<double>(), 1e-30);
    const double one = a.sub(b).abs().max().item<double>() / scale;
    if (!(one <= most)) most = one;  // NaN stays
  }
  return most;
}

at::Tensor random(at::IntArrayRef shape, at::ScalarType type, bool gradient = true) {
  return at::randn(shape).to(type).requires_grad_(gradient);
}

/// Positions, heads and entries that are no multiples of a register's width.
std::vector<Case> decoder_cases(at::ScalarType type) {
  constexpr double kEps = 1e-6;
  const at::Tensor angles = at::arange(19).unsqueeze(1).mul(at::arange(1, 9).reciprocal().unsqueeze(0));
  const at::Tensor keep = at::ones({2, 19}, at::kLong);
  keep.select(0, 1).narrow(0, 0, 5).zero_();
  const auto norm = [type](const auto& f) -> Form {
    return [type, f](const Tensors& x) {
      const kernels::Normed y = f(x[0], x[1], x[2], kEps, type);
      return Tensors{y.sum, y.normed};
    };
  };
  const auto rope = [](const auto& f) -> Form {
    return [f](const Tensors& x) { return Tensors{f(x[0], x[1], kEps, x[2], x[3])}; };
  };
  const auto two = [](const auto& f) -> Form {
    return [f](const Tensors& x) { return Tensors{f(x[0], x[1])}; };
  };
  const auto attends = [](const auto& f, std::int64_t window) -> Form {
    return [f, window](const Tensors& x) {
      const at::Tensor allowed =
          x[3].defined() ? kernels::attention_mask(x[3], 19, 19, window, x[0].device()) : x[3];
      return Tensors{f(x[0], x[1], x[2], allowed)};
    };
  };
  const Tensors pair = {random({3, 7, 45}, type), random({3, 7, 45}, type)};
  const at::Tensor q = random({2, 19, 6, 16}, type), k = random({2, 19, 2, 16}, type),
                   v = random({2, 19, 2, 16}, type);
  return {
      {"add_rms_norm",
       type,
       {random({3, 7, 45}, at::kFloat), random({3, 7, 45}, type), random({45}, at::kFloat)},
       norm(kernels::add_rms_norm),
       norm(kernels::generic::add_rms_norm)},
      {"head_norm_rope",
       type,
       {random({2, 19, 6, 16}, type), random({16}, at::kFloat), angles.cos(), angles.sin()},
       rope(kernels::head_norm_rope),
       rope(kernels::generic::head_norm_rope)},
      {"swiglu", type, pair, two(kernels::swiglu), two(kernels::generic::swiglu)},
      {"geglu", type, pair, two(kernels::geglu), two(kernels::generic::geglu)},
      {"attention, causal",
       type,
       {q, k, v, {}},
       attends(kernels::attention, 0),
       attends(kernels::generic::attention, 0)},
      {"attention, padding",
       type,
       {q, k, v, keep},
       attends(kernels::attention, 0),
       attends(kernels::generic::attention, 0)},
      {"attention, window",
       type,
       {q, k, v, keep},
       attends(kernels::attention, 7),
       attends(kernels::generic::attention, 7)},
      {"mm", type, {random({37, 50}, type, false), random({50, 29}, type, false)}, two(kernels::mm), {}},
      {"linear",
       type,
       {random({3, 11, 50}, type), random({29, 50}, type, false), random({29}, type, false)},
       [](const Tensors& x) { return Tensors{kernels::linear(x[0], x[1], x[2])}; },
       {}},
  };
}

std::vector<Case> weight_cases(at::ScalarType type) {
  const at::Tensor indices = at::randint(0, 16, {33, 70}, at::kByte);
  const at::Tensor lut = at::arange(16, at::kFloat).div(7.5).sub(1);
  const at::Tensor a = random({33, 5}, at::kFloat, false), b = random({5, 70}, at::kFloat, false);
  const at::Tensor dw = random({33, 70}, type, false), weight = random({33, 70}, at::kFloat, false);
  const auto backward = [](const auto& f) -> Form {
    return [f](const Tensors& x) {
      const FactorGradients g = f(x[0], x[1], x[2], x[3], x[4], true, true);
      return Tensors{g.a, g.b};
    };
  };
  const auto v1 = [](const Tensors& x) { return V1Scales{x[2], x[3], {}}; };
  const auto v1_backward = [v1](const auto& f) -> Form {
    return [f, v1](const Tensors& x) {
      const V1ScaleGradients into{at::zeros_like(x[2]), at::zeros_like(x[3]), {}};
      f(x[0], v1(x), {x[1], false}, x[4], into);
      return Tensors{into.a, into.b};
    };
  };
  const Tensors v1_inputs = {weight, lut, a.abs(), b.abs(), dw};
  return {
      {"lut_values",
       type,
       {indices, lut},
       [type](const Tensors& x) { return Tensors{lut_values(x[0], x[1], type)}; },
       [type](const Tensors& x) { return Tensors{by_operators::lut_values(x[0], x[1], type)}; }},
      {"lut_scaled",
       type,
       {indices, lut, a, b},
       [type](const Tensors& x) { return Tensors{lut_scaled(x[0], x[1], x[2], x[3], type)}; },
       [type](const Tensors& x) { return Tensors{by_operators::lut_scaled(x[0], x[1], x[2], x[3], type)}; }},
      {"lut_scaled_backward",
       type,
       {indices, lut, a, b, dw},
       backward(lut_scaled_backward),
       backward(by_operators::lut_scaled_backward)},
      {"v1_weight", type, v1_inputs,
       [type, v1](const Tensors& x) {
         return Tensors{v1_weight(x[0], v1(x), {x[1], false}, type)};
       },
       [type, v1](const Tensors& x) {
         return Tensors{by_operators::v1_weight(x[0], v1(x), {x[1], false}, type)};
       }},
      {"v1_scale_backward", type, v1_inputs, v1_backward(v1_scale_backward),
       v1_backward(by_operators::v1_scale_backward)},
  };
}

}  // namespace

int main(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word != "cuda" && word != "cpu") {
    std::fputs("usage: kernel_check cuda | cpu\n", stderr);
    return 2;
  }
  const at::Device device(word == "cuda" ? at::kCUDA : at::kCPU);
  bool all_right = true;
  std::string rows;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    at::manual_seed(7);
    std::vector<Case> cases = decoder_cases(type);
    for (Case& more : weight_cases(type)) cases.push_back(std::move(more));
    for (const Case& one : cases) {
      if (device.is_cpu() && !one.operators) continue;
      const Tensors here = with_gradients(one.kernel, one.inputs, at::kCPU);
      const Tensors there = with_gradients(device.is_cpu() ? one.operators : one.kernel, one.inputs, device);
      const double found = difference(here, there);
      const bool right = found <= (type == at::kFloat ? kFp32 : kBf16);
      all_right = all_right && right;
      rows += strf("%s\n {\"kernel\": \"%s\", \"type\": \"%s\", \"difference\": %.3g, \"verdict\": \"%s\"}",
                   rows.empty() ? "" : ",", one.name.c_str(), type == at::kFloat ? "fp32" : "bf16",
                   std::min(found, 1e30), right ? "right" : "wrong");
    }
  }
  std::printf("[%s\n]\n", rows.c_str());
  return all_right ? 0 : 1;
}
