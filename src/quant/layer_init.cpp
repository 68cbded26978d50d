// Initialisation from scratch of one layer.
#include "src/quant/internal/layer_init.hpp"

#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/scales.hpp"
#include "src/quant/positive_scales.hpp"
#include "src/quant/ste.hpp"

#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

// Where an entry starts at least, in entries of a unit vector of equal ones: at zero the gradient of an
// absolute value ends.
constexpr double kLeastStart = 1e-2;

/// Scales for factors that are taken as absolute values: with the signs of a decomposition they would be
/// others.
InitialScales positive_scales(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size) {
  const at::Tensor maxima = group_maxima(weight, group_size);
  const at::Tensor first = at::arange(maxima.size(1), at::kLong).mul_(group_size);
  const at::Tensor counts = first.add(group_size).clamp_max_(weight.size(1)).sub_(first);
  const NonNegativeFactors made = non_negative_factors(maxima, rank, counts);
  const auto unit = [](const at::Tensor& x, std::int64_t dim) {
    const at::Tensor norm = x.norm(2, {dim}, true).clamp_min(1e-12);
    const double least = kLeastStart / std::sqrt(static_cast<double>(x.size(dim)));
    return std::pair(x.div(norm).clamp_min_(least), norm);
  };
  const auto [a, a_norm] = unit(made.a, 0);
  const auto [b, b_norm] = unit(at::repeat_interleave(made.b, counts, 1), 1);
  return {a.contiguous(), b.contiguous(), round_half(a_norm.view({rank}).mul(b_norm.view({rank})))};
}

InitialScales start_of(const at::Tensor& weight, const V2Config& config, const InitOptions& options) {
  if (config.force_positive_scales) return positive_scales(weight, config.rank, config.group_size);
  return options.fast ? fast_scales(weight, config.rank, config.group_size)
                      : svd_scales(weight, config.rank, config.group_size, options.floor);
}

}  // namespace

V2Draft initial_layer(const at::Tensor& weight, const at::Tensor& bias, const V2Config& config,
                      const InitOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  InitialScales scales = start_of(w, config, options);
  V2Draft layer;
  layer.config = config;
  V2Linear::Tensors& t = layer.tensors;
  t.scale_A = std::move(scales.scale_A);
  t.scale_B = std::move(scales.scale_B);
  t.rank_magnitude = std::move(scales.rank_magnitude);
  t.lut = at::tensor(make_lut(config.lut_size), at::kFloat);
  if (bias.defined()) t.bias = bias.detach().to(at::kFloat, false, true);
  const ScaleFactors factors =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, false, config, options.ste);
  const FrozenIndices frozen = freeze_indices(w, factors.matrix(), t.lut);
  t.indices = frozen.indices;
  layer.warnings = freeze_warnings(frozen);
  return layer;
}

}  // namespace anemll
