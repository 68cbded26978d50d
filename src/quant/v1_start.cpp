// A V1 layer out of a float weight: group maxima, decomposed or as they are, and the table.
#include "src/quant/internal/lut.hpp"
#include "src/quant/internal/scales.hpp"
#include "src/quant/internal/v1_type.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

namespace anemll {

LayerDraft start_v1(const at::Tensor& weight, const LinearQuant& quant, const InitOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor w = weight.detach().to(at::kFloat, false, true).contiguous();
  const std::int64_t out = w.size(0);
  const std::int64_t in = w.size(1);
  LayerDraft draft;
  LayerTensors& t = draft.tensors;
  t[".weight"] = w;
  t[".lut"] = at::tensor(make_lut(quant.lut_size, quant.lut_include_zero), at::kFloat);
  if (v1_is_full(out, in, quant)) {
    t[".full_scales"] = group_maxima(w, quant.group_size).repeat_interleave(quant.group_size, 1);
    if (quant.rank != 0)
      draft.warnings.push_back("rank " + std::to_string(quant.rank) +
                               " reaches the size of its scales: every weight gets one of its own");
    return draft;
  }
  PlainFactors factors = options.fast ? fast_factors(w, quant.rank, quant.group_size)
                                      : svd_factors(w, quant.rank, quant.group_size);
  t[".scale_A"] = std::move(factors.a);
  t[".scale_B"] = std::move(factors.b);
  return draft;
}

}  // namespace anemll
