// The packed file: a whole model as small as its codes are, in one safetensors file that anemll_infer and
// anemll_eval read. README.md of this room has the table of its tensors.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "src/export/ane_layout.hpp"
#include "src/quant/half_cast.hpp"

#include <map>
#include <string>
#include <vector>

namespace anemll {

/// All tensors: `expected` (of the unquantised model) with each quantised linear's `.weight` replaced by its
/// packed ones. The others are in the narrowest of f16, bf16 and f32 that holds all their values. A head that
/// is the embedding has no tensor. `counts` must outlive the result. Data errors name a missing tensor.
std::vector<LazyTensor> packed_state_dict(const std::vector<TensorSpec>& expected,
                                          const std::vector<SnapLayer>& layers, const TensorMap& others,
                                          CastCounts& counts);
/// What stands in the file's header beside its tensors. `config`: the text of config.json.
std::map<std::string, std::string> packed_metadata(const TensorMap& others, const std::string& config);

}  // namespace anemll
