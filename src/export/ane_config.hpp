// config.json beside a snapped checkpoint: what the consumers ask before they read a tensor.
#pragma once

#include "src/export/ane_layout.hpp"

#include <string>
#include <vector>

namespace anemll {

struct AneConfigFacts {
  std::string model_id;
  std::string source_checkpoint;
  std::int64_t group_size = 32;
};

/// JSON text, indent 2. Bits and ranks are those of most MLP and most attention layers; a layer that differs
/// stands in layer_overrides. force_positive_scales is always spelled out: a loader takes absolute values
/// without it.
std::string ane_config(const std::vector<SnapLayer>& layers, const SnapOptions& options,
                       const AneConfigFacts& facts);

/// Bits that an index needs: 2 for 4 entries, 4 for 16.
std::int64_t lut_bits(std::int64_t lut_size);

}  // namespace anemll
