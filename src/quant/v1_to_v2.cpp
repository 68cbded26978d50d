#include "src/quant/internal/v1_to_v2.hpp"

#include "anemll/core/log.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/v2_type.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace anemll {
namespace {

constexpr double kNormFloor = 1e-6;
constexpr double kSmallestScale = 1e-8;

struct Factors {
  at::Tensor a, b;  ///< [out, r] and [r, in]
};

/// The best factors of that rank of the scales that V1 uses.
Factors factor(const at::Tensor& full, std::int64_t rank, std::vector<std::string>& warnings) {
  const at::Tensor scales = full.to(at::kDouble).clamp_min(kSmallestScale);
  const auto [u, s, vh] = at::linalg_svd(scales, false);
  const std::int64_t r = std::min(rank, s.size(0));
  const at::Tensor a = u.narrow(1, 0, r) * s.narrow(0, 0, r);
  const at::Tensor b = vh.narrow(0, 0, r);
  const double error = (a.mm(b) - scales).norm().item<double>() / scales.norm().item<double>();
  warnings.push_back(
      strf("a scale for each weight becomes factors of rank %lld, with a relative error of %.3g",
           static_cast<long long>(r), error));
  return {a.to(at::kFloat).contiguous(), b.to(at::kFloat).contiguous()};
}

}  // namespace

V2Draft v2_of_v1(const V1Linear& v1, std::int64_t rank_of_full, bool ste) {
  const at::NoGradGuard no_grad;
  const V1Linear::Tensors& from = v1.tensors();
  const std::int64_t in = v1.in();
  V2Draft draft;
  Factors factors;
  if (from.full_scales.defined())
    factors = factor(from.full_scales.detach().narrow(1, 0, in), rank_of_full, draft.warnings);
  else
    factors = {from.scale_A.detach(), from.scale_B.detach().narrow(1, 0, in).contiguous()};
  const at::Tensor a_norm = at::linalg_vector_norm(factors.a, 2, at::IntArrayRef{0}, true);  // [1, r]
  const at::Tensor b_norm = at::linalg_vector_norm(factors.b, 2, at::IntArrayRef{1}, true);  // [r, 1]

  LinearQuant quant = v1.quant();
  quant.rank = factors.a.size(1);
  draft.config = v2_config(quant);
  V2Linear::Tensors& t = draft.tensors;
  t.scale_A = factors.a / a_norm.clamp_min(kNormFloor);
  t.scale_B = factors.b / b_norm.clamp_min(kNormFloor);
  t.rank_magnitude = (a_norm.t() * b_norm).reshape({-1}).contiguous();
  t.lut = from.lut.detach().clone();
  if (from.bias.defined()) t.bias = from.bias.detach().clone();
  if (quant.snapped == V1Snap::lut) {
    t.indices = v1.snap_indices();
    return draft;
  }
  const ScaleFactors scales =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, false, draft.config, ste);
  const FrozenIndices frozen = freeze_indices(from.weight.detach().cpu(), scales.matrix().cpu(), t.lut.cpu());
  t.indices = frozen.indices.to(from.weight.device());
  for (std::string& warning : freeze_warnings(frozen)) draft.warnings.push_back(std::move(warning));
  return draft;
}

}  // namespace anemll
