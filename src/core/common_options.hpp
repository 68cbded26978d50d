// Options that several programs have and that belong to no room above this one, each declared once. Those of
// the hub are in src/hub/hub_options.hpp, those of devices in anemll/model/compute_options.hpp.
#pragma once

#include "anemll/core/options.hpp"

#include <string>

namespace anemll {

/// --strict: Inventory::tell with strict. `inputs`: what it is about, "the model's files".
void add_strict_option(OptionTable& table, bool* strict, const std::string& inputs);

}  // namespace anemll
