// How quantised layers compute and how their scales start.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

/// How a layer computes in training.
enum class ForwardMode { materialised, automatic, batched, loop };

inline constexpr auto kForwardModes = std::to_array<Choice<ForwardMode>>({
    {ForwardMode::materialised, "materialised"},
    {ForwardMode::automatic, "auto"},
    {ForwardMode::batched, "batched"},
    {ForwardMode::loop, "loop"},
});
constexpr std::span<const Choice<ForwardMode>> choices_of(ForwardMode) {
  return kForwardModes;
}

enum class SvdFloor {
  reference,  ///< singular values below max(0.01 s0, 0.01) are raised to it
  none,
};

inline constexpr auto kSvdFloors = std::to_array<Choice<SvdFloor>>({
    {SvdFloor::reference, "reference"},
    {SvdFloor::none, "none"},
});
constexpr std::span<const Choice<SvdFloor>> choices_of(SvdFloor) {
  return kSvdFloors;
}

}  // namespace anemll
