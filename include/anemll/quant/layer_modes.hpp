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

/// What the weight of a V1 layer holds. Files say it in config.json; tensors do not tell.
enum class V1Snap {
  none,   ///< the float weight
  lut,    ///< table values; scales are still to be multiplied
  baked,  ///< table values times scales
};

inline constexpr auto kV1Snaps = std::to_array<Choice<V1Snap>>({
    {V1Snap::none, "none"},
    {V1Snap::lut, "lut"},
    {V1Snap::baked, "baked"},
});
constexpr std::span<const Choice<V1Snap>> choices_of(V1Snap) {
  return kV1Snaps;
}

}  // namespace anemll
