// config.json beside a snapped checkpoint: what the consumers ask before they read a tensor.
#pragma once

#include "anemll/quant/quant_spec.hpp"
#include "src/export/ane_layout.hpp"

#include <optional>
#include <string>

namespace anemll {

struct AneConfigFacts {
  std::string model_id;
  std::string source_checkpoint;
  std::optional<std::string> model_revision = {};  ///< of the model on the hub, where that must be said
};

/// JSON text, indent 2. Bits and ranks are those of most MLP and most attention layers; a layer that differs
/// stands in layer_overrides. force_positive_scales is always spelled out: a loader takes absolute values
/// without it.
std::string ane_config(const QuantSpec& spec, const SnapOptions& options, const AneConfigFacts& facts);

}  // namespace anemll
