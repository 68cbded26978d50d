// A linear that is not quantised, as a layer type: its float weight, frozen.
#pragma once

#include "src/quant/layer_type.hpp"

namespace anemll {

/// Recognises nothing: a linear is float where the specification says so, not where scales are missing.
LayerType float_layer_type();

}  // namespace anemll
