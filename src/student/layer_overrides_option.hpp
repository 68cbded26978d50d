// --layer-overrides: numbers of single linears out of a JSON file, for every program that starts layers.
#pragma once

#include "anemll/core/options.hpp"
#include "src/student/v2_checkpoint.hpp"

#include <optional>
#include <string>

namespace anemll {

inline void add_layer_overrides_option(OptionTable& table, std::optional<std::string>* file) {
  table.add("layer-overrides", file,
            "JSON file with bits and rank of single linears, as anemll_allocate and config.json have them: "
            R"({"layer_overrides": {"model.layers.0.mlp.up_proj": {"lut_bits": 4, "scale_rank": 2}}})");
  table.mark_path("layer-overrides");
}

/// Reads the file where there is one. Data errors name it.
inline void wish_layer_overrides(const std::optional<std::string>& file, QuantWishes& wishes) {
  if (!file) return;
  wishes.layers = read_layer_overrides(*file);
  wishes.layers_file = *file;
}

}  // namespace anemll
