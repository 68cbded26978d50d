// The table of keys of config.json: what each may say, and what becomes of it.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/model/family.hpp"
#include "src/model/internal/features.hpp"
#include "src/model/internal/json_reader.hpp"

#include <span>

namespace anemll {

/// Holds every key of `json` (which `config` reads) against the table. A key that switches on what the
/// decoder lacks is a data error, whose remedy names the other `families`. The others get a fate in
/// `inventory`: used, compared (without effect on the numbers, or as the decoder does it), or left out.
void check_config_keys(const nlohmann::json& json, const JsonReader& config, const ModelSizes& sizes,
                       const Family& family, std::span<const Family> families, Inventory& inventory);

}  // namespace anemll
