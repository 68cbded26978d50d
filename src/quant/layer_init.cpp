// Initialisation from scratch of one layer.
#include "src/quant/internal/layer_init.hpp"

#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/scales.hpp"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {

V2Draft initial_layer(const at::Tensor& weight, const at::Tensor& bias, const V2Config& config,
                      const InitOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  InitialScales scales = options.fast ? fast_scales(w, config.rank, config.group_size)
                                      : svd_scales(w, config.rank, config.group_size, options.floor);
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
