// The layouts of a checkpoint for the ANEMLL converters.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

enum class AneLayout {
  universal,  ///< `.weight` = `_Q` = LUT values, scales baked: every consumer multiplies the same product
  reference,  ///< what the Python reference writes: float `.weight`, scales as trained, not normalised
  no_lut,     ///< universal without `.lut`: with that key load_anemll_weights takes entry 0 for every weight
};

inline constexpr auto kAneLayouts = std::to_array<Choice<AneLayout>>({
    {AneLayout::universal, "universal"},
    {AneLayout::reference, "reference"},
    {AneLayout::no_lut, "no-lut"},
});
constexpr std::span<const Choice<AneLayout>> choices_of(AneLayout) {
  return kAneLayouts;
}

/// Whether `.weight` is `_Q` and the scales are multiplied out.
constexpr bool is_baked(AneLayout layout) {
  return layout != AneLayout::reference;
}

}  // namespace anemll
