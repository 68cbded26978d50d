// The linears of a specification that differ from its short form, as config.json files name them.
#pragma once

#include "anemll/quant/quant_spec.hpp"

#include <nlohmann/json.hpp>

namespace anemll {

/// {"model.layers.0.mlp.up_proj": {"lut_bits": 3, "scale_rank": 16}, ...}; empty where none differs.
/// "group_size" where that is not the one of all.
inline nlohmann::ordered_json layer_overrides(const QuantSpec& spec) {
  nlohmann::ordered_json overrides = nlohmann::ordered_json::object();
  for (const QuantSpec::Entry& entry : spec.exceptions())
    overrides[entry.linear] = {{"lut_bits", entry.quant.bits()}, {"scale_rank", entry.quant.rank}};
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.quant.type == "v2" && entry.quant.group_size != spec.group_size())
      overrides[entry.linear]["group_size"] = entry.quant.group_size;
  }
  return overrides;
}

}  // namespace anemll
