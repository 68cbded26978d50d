// The forms of a snapped file.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

enum class SnapFormat {
  torch,   ///< what the ANEMLL converters read
  packed,  ///< as small as the codes are, for the programs of this project
};
inline constexpr auto kSnapFormats = std::to_array<Choice<SnapFormat>>({
    {SnapFormat::torch, "torch"},
    {SnapFormat::packed, "packed"},
});
constexpr std::span<const Choice<SnapFormat>> choices_of(SnapFormat) {
  return kSnapFormats;
}

}  // namespace anemll
