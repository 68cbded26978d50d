// Normalisation of the scale factors and its gradient, written out: for a column a of norm n above epsilon,
// d/da (a/n) maps u to (u - a_dir <a_dir, u>) / n; below epsilon the divisor is the constant epsilon.
#include "src/quant/internal/scale_factors.hpp"

#include "src/quant/ste.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

/// `norm` has size 1 along `dim`.
at::Tensor through_norm(const at::Tensor& d_dir, const at::Tensor& dir, const at::Tensor& norm,
                        std::int64_t dim, double eps) {
  const at::Tensor along = (dir * d_dir).sum(dim, true);
  const at::Tensor projected = at::where(norm.ge(eps), along, at::zeros_like(along));
  return (d_dir - dir * projected).div_(norm.clamp_min(eps));
}

}  // namespace

at::Tensor ScaleFactors::scaled_a() const {
  return a_dir * g;
}

at::Tensor ScaleFactors::matrix() const {
  return scaled_a().mm(b_dir);
}

ScaleFactors normalise_scales(const at::Tensor& scale_a, const at::Tensor& scale_b,
                              const at::Tensor& magnitude, bool baked, const V2Config& config, bool ste) {
  const at::NoGradGuard no_grad;
  ScaleFactors factors;
  const at::Tensor a = scale_a.detach();
  const at::Tensor b = scale_b.detach();
  if (baked) {
    factors.a_dir = a;
    factors.b_dir = b;
    factors.g = magnitude.detach();
    return factors;
  }
  const at::Tensor a_used = config.force_positive_scales ? a.abs() : a;
  const at::Tensor b_used = config.force_positive_scales ? b.abs() : b;
  factors.a_norm = at::linalg_vector_norm(a_used, 2, at::IntArrayRef{0}, true);
  factors.b_norm = at::linalg_vector_norm(b_used, 2, at::IntArrayRef{1}, true);
  factors.a_dir = a_used / factors.a_norm.clamp_min(config.norm_eps);
  factors.b_dir = b_used / factors.b_norm.clamp_min(config.norm_eps);
  factors.g = magnitude.detach() + config.magnitude_eps;
  if (ste) factors.g = round_half(factors.g);
  return factors;
}

ScaleGradients scale_gradients(const ScaleFactors& factors, const at::Tensor& scale_a,
                               const at::Tensor& scale_b, bool baked, const V2Config& config,
                               const at::Tensor& d_scaled_a, const at::Tensor& d_b_dir, bool need_a,
                               bool need_b, bool need_g) {
  const at::NoGradGuard no_grad;
  ScaleGradients result;
  if (need_g) result.g = (d_scaled_a * factors.a_dir).sum(0);
  if (need_a) {
    result.a = d_scaled_a * factors.g;
    if (!baked) {
      result.a = through_norm(result.a, factors.a_dir, factors.a_norm, 0, config.norm_eps);
      if (config.force_positive_scales) result.a.mul_(scale_a.detach().sgn());
    }
  }
  if (need_b) {
    result.b = d_b_dir;
    if (!baked) {
      result.b = through_norm(result.b, factors.b_dir, factors.b_norm, 1, config.norm_eps);
      if (config.force_positive_scales) result.b.mul_(scale_b.detach().sgn());
    }
  }
  return result;
}

}  // namespace anemll
