#include "src/quant/v1_to_v2.hpp"

#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/v1_layer.hpp"
#include "src/quant/internal/v1_type.hpp"
#include "src/quant/internal/v2_type.hpp"

#include <algorithm>
#include <memory>
#include <utility>

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

/// The best factors of that rank of the scales that V1 uses, and their relative error.
Factors factor(const at::Tensor& full, std::int64_t rank, double& error) {
  const at::Tensor scales = full.to(at::kDouble).clamp_min(kSmallestScale);
  const auto [u, s, vh] = at::linalg_svd(scales, false);
  const at::Tensor a = u.narrow(1, 0, rank) * s.narrow(0, 0, rank);
  const at::Tensor b = vh.narrow(0, 0, rank);
  error = (a.mm(b) - scales).norm().item<double>() / scales.norm().item<double>();
  return {a.to(at::kFloat).contiguous(), b.to(at::kFloat).contiguous()};
}

}  // namespace

LinearQuant v2_quant_of_v1(const LinearSpec& linear, const LinearQuant& from, std::int64_t rank_of_full) {
  LinearQuant to;
  to.lut_size = from.lut_size;
  to.group_size = from.group_size;
  to.rank = from.rank > 0 ? from.rank : std::min({rank_of_full, linear.out, linear.in});
  return to;
}

V2OfV1 v2_of_v1(const LinearSpec& linear, const LinearQuant& from, LayerTensors v1, std::int64_t rank_of_full,
                bool ste) {
  const at::NoGradGuard no_grad;
  const std::unique_ptr<QuantLayer> made = v1_layer_type().make(linear, from, std::move(v1));
  const auto& layer = static_cast<const V1Linear&>(*made);
  const V1Linear::Tensors& source = layer.tensors();
  const LinearQuant to = v2_quant_of_v1(linear, layer.quant(), rank_of_full);
  V2OfV1 result;
  Factors factors;
  if (source.full_scales.defined()) {
    double error = 0;
    factors = factor(source.full_scales.detach().narrow(1, 0, linear.in), to.rank, error);
    result.factor_error = error;
  } else {
    factors = {source.scale_A.detach(), source.scale_B.detach().narrow(1, 0, linear.in).contiguous()};
  }
  const at::Tensor a_norm = at::linalg_vector_norm(factors.a, 2, at::IntArrayRef{0}, true);  // [1, r]
  const at::Tensor b_norm = at::linalg_vector_norm(factors.b, 2, at::IntArrayRef{1}, true);  // [r, 1]
  const at::Tensor a = factors.a / a_norm.clamp_min(kNormFloor);
  const at::Tensor b = factors.b / b_norm.clamp_min(kNormFloor);
  const at::Tensor g = (a_norm.t() * b_norm).reshape({-1}).contiguous();
  const at::Tensor lut = source.lut.detach().clone();
  // Table values alone tell nothing of weights whose scale was raised: V2's scale there is another.
  result.weight = layer.quant().snapped == V1Snap::lut ? layer.effective_weight(at::kFloat)
                                                       : source.weight.detach().clone();
  const ScaleFactors scales = normalise_scales(a, b, g, false, v2_config(to), ste);
  FrozenIndices frozen = freeze_indices(result.weight, scales.matrix(), lut);
  result.warnings = freeze_warnings(frozen);
  result.tensors = {{".scale_A", a},
                    {".scale_B", b},
                    {".rank_magnitude", g},
                    {".lut", lut},
                    {"._indices", std::move(frozen.indices)}};
  if (source.bias.defined()) result.tensors[".bias"] = source.bias.detach().clone();
  return result;
}

}  // namespace anemll
