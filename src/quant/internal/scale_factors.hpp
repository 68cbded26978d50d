// From the trained tensors scale_A, scale_B, rank_magnitude to the factors that multiply: unit columns and
// rows and one magnitude per rank, and the gradients back through that. Stateless; any thread.
#pragma once

#include "src/quant/internal/v2_config.hpp"

#include <ATen/core/Tensor.h>

namespace anemll {

struct ScaleFactors {
  at::Tensor a_dir;   ///< [out, r], unit columns
  at::Tensor b_dir;   ///< [r, in], unit rows
  at::Tensor g;       ///< [r], with epsilon added; rounded to half when STE is on
  at::Tensor a_norm;  ///< [1, r] column norms before normalisation; undefined when baked
  at::Tensor b_norm;  ///< [r, 1]

  at::Tensor scaled_a() const;  ///< a_dir * g, [out, r]
  at::Tensor matrix() const;    ///< S = (a_dir * g) b_dir, [out, in]
};

/// No gradient. With `baked` the tensors are the factors, untouched, and g is not rounded.
ScaleFactors normalise_scales(const at::Tensor& scale_a, const at::Tensor& scale_b,
                              const at::Tensor& magnitude, bool baked, const V2Config& config, bool ste);

struct ScaleGradients {
  at::Tensor a, b, g;  ///< undefined where not asked for
};

/// `d_scaled_a` [out, r] and `d_b_dir` [r, in] are the gradients of scaled_a() and b_dir; either may be
/// undefined when nothing that needs it is asked for. Rounding passes gradients unchanged.
ScaleGradients scale_gradients(const ScaleFactors& factors, const at::Tensor& scale_a,
                               const at::Tensor& scale_b, bool baked, const V2Config& config,
                               const at::Tensor& d_scaled_a, const at::Tensor& d_b_dir, bool need_a,
                               bool need_b, bool need_g);

}  // namespace anemll
