// The state dict that the ANEMLL converters read, built from quantised layers tensor by tensor, in either of
// three layouts. README.md of this room has the table of keys.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/export/ane_layouts.hpp"
#include "anemll/model/architecture.hpp"
#include "src/quant/half_cast.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// One quantised linear of a model.
struct SnapLayer {
  const QuantLayer* linear = nullptr;
  HostTensor weight;  ///< the float weight, [out, in]; only the reference layout reads it
};

struct SnapOptions {
  AneLayout layout = AneLayout::universal;
  bool half = true;  ///< floats of quantised layers as fp16; false: fp32, nothing is rounded
};

/// All tensors in state-dict order: `expected` (of the unquantised model) with each quantised linear's
/// `.weight` replaced by its keys. `others` holds every tensor that is not a quantised linear's; bf16 is
/// widened to fp32, because consumers hand tensors to numpy. lm_head.weight becomes an alias of the embedding
/// when both are one storage. `counts` must outlive the result: it grows as tensors are made. Data errors
/// name a missing tensor; making a tensor throws a numerics error when it is not finite.
std::vector<LazyTensor> ane_state_dict(const std::vector<TensorSpec>& expected,
                                       const std::vector<SnapLayer>& layers, const TensorMap& others,
                                       const SnapOptions& options, CastCounts& counts);

}  // namespace anemll
