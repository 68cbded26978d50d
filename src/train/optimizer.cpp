// Each operation twice: by the fused loops of kernels/adamw_cpu, and by the same sequence of tensor
// operations.
#include "src/train/internal/optimizer.hpp"

#include "anemll/core/error.hpp"
#include "src/kernels/adamw_cpu.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

constexpr std::int64_t kNormBlock = 1 << 16;
/// Enough elements that starting a thread pays.
constexpr std::int64_t kUpdateGrain = 1 << 15;

void check(const at::Tensor& tensor, const at::Tensor& param, const char* name) {
  if (tensor.defined() && tensor.scalar_type() == at::kFloat && tensor.is_contiguous() &&
      tensor.numel() == param.numel() && tensor.device() == param.device()) {
    return;
  }
  throw_usage("optimizer buffers must be contiguous fp32, of one size and on one device", name, "");
}

void check_buffers(const AdamW& adamw, const at::Tensor& param, const at::Tensor& grad) {
  check(param, param, "parameters");
  check(grad, param, "gradient");
  check(adamw.m, param, "first moment");
  check(adamw.v, param, "second moment");
}

kernels::AdamWStep scalars(const AdamWOptions& options, std::int64_t step, double lr, double grad_scale) {
  const auto t = static_cast<double>(step);
  kernels::AdamWStep s;
  s.decay = static_cast<float>(1.0 - lr * options.weight_decay);
  s.one_minus_beta1 = static_cast<float>(1.0 - options.beta1);
  s.beta2 = static_cast<float>(options.beta2);
  s.one_minus_beta2 = static_cast<float>(1.0 - options.beta2);
  s.step_size = static_cast<float>(lr / (1.0 - std::pow(options.beta1, t)));
  s.correction2 = static_cast<float>(std::sqrt(1.0 - std::pow(options.beta2, t)));
  s.eps = static_cast<float>(options.eps);
  s.grad_scale = static_cast<float>(grad_scale);
  return s;
}

void update_on_cpu(const AdamW& adamw, const at::Tensor& param, const at::Tensor& grad,
                   const kernels::AdamWStep& s) {
  float* w = param.mutable_data_ptr<float>();
  const float* g = grad.const_data_ptr<float>();
  float* first = adamw.m.mutable_data_ptr<float>();
  float* second = adamw.v.mutable_data_ptr<float>();
  kernels::parallel_for(param.numel(), kUpdateGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::adamw_range(w, g, first, second, s, begin, end);
  });
}

void update_by_operators(const AdamW& adamw, const at::Tensor& param, const at::Tensor& grad,
                         const kernels::AdamWStep& s) {
  const at::NoGradGuard no_grad;
  const at::Tensor g = s.grad_scale == 1.0F ? grad : grad * double{s.grad_scale};
  if (s.decay != 1.0F) param.mul_(double{s.decay});
  adamw.m.lerp_(g, double{s.one_minus_beta1});
  adamw.v.mul_(double{s.beta2}).addcmul_(g, g, double{s.one_minus_beta2});
  const at::Tensor denominator = adamw.v.sqrt().div_(double{s.correction2}).add_(double{s.eps});
  param.addcdiv_(adamw.m, denominator, -double{s.step_size});
}

double norm_on_cpu(const at::Tensor& grad) {
  check(grad, grad, "gradient");
  const float* g = grad.const_data_ptr<float>();
  const std::int64_t size = grad.numel();
  std::vector<double> blocks(static_cast<std::size_t>((size + kNormBlock - 1) / kNormBlock));
  kernels::parallel_for(
      static_cast<std::int64_t>(blocks.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t block = begin; block < end; ++block) {
          blocks[static_cast<std::size_t>(block)] =
              kernels::sum_of_squares(g, block * kNormBlock, std::min(size, (block + 1) * kNormBlock));
        }
      });
  double sum = 0;
  for (const double block : blocks) sum += block;
  return std::sqrt(sum);
}

double norm_by_operators(const at::Tensor& grad) {
  return at::linalg_vector_norm(grad, 2, at::OptionalIntArrayRef(), false, at::kDouble).item<double>();
}

constexpr kernels::Operation<decltype(update_by_operators)> kUpdate(update_by_operators,
                                                                    {{at::kCPU, update_on_cpu}});
constexpr kernels::Operation<decltype(gradient_norm)> kNorm(norm_by_operators, {{at::kCPU, norm_on_cpu}});

}  // namespace

AdamW::AdamW(const at::Tensor& param, const AdamWOptions& adamw_options)
    : options(adamw_options), m(at::zeros_like(param)), v(at::zeros_like(param)) {}

void AdamW::update(const at::Tensor& param, const at::Tensor& grad, double lr, double grad_scale) {
  check_buffers(*this, param, grad);
  kUpdate.run(kernels::common_device(param), *this, param, grad, scalars(options, ++step, lr, grad_scale));
}

void AdamW::update_generic(const at::Tensor& param, const at::Tensor& grad, double lr, double grad_scale) {
  check_buffers(*this, param, grad);
  update_by_operators(*this, param, grad, scalars(options, ++step, lr, grad_scale));
}

double gradient_norm(const at::Tensor& grad) {
  const at::NoGradGuard no_grad;
  return kNorm.run(kernels::common_device(grad), grad);
}

double clip_factor(double norm, double max_norm) {
  if (max_norm == 0) return 1.0;
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1.0 ? 1.0 : factor;
}

}  // namespace anemll
