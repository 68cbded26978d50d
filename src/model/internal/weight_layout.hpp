// Layouts that people store the same tensors in, brought to the one that this code knows
// (tensor_registry.cpp).
#pragma once

#include "anemll/model/architecture.hpp"
#include "src/model/internal/weight_files.hpp"

namespace anemll {

/// Names with another prefix than "model." get that one. Rows of fused linears (qkv_proj, gate_up_proj)
/// become the tensors that they are: views, no copies. A tensor that is there under its own name stays. Data
/// errors name tensor and file.
void to_known_layout(FoundMap& found, const Architecture& architecture);

}  // namespace anemll
