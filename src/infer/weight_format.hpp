// The forms that the weights of a model can have while it writes, by their words.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

enum class WeightFormat {
  automatic,  ///< the faster of the two, measured
  dense,      ///< 16 bits a weight
  packed,     ///< codes, and scales that are formed on the way
};
inline constexpr auto kWeightFormats = std::to_array<Choice<WeightFormat>>({
    {WeightFormat::automatic, "auto"},
    {WeightFormat::dense, "dense"},
    {WeightFormat::packed, "packed"},
});
constexpr std::span<const Choice<WeightFormat>> choices_of(WeightFormat) {
  return kWeightFormats;
}

}  // namespace anemll
