// Whose rules make a result, where ours and the Python reference's differ.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

enum class Compat {
  none,
  reference,  ///< the Python reference's, so that a result can be compared with its own
};

inline constexpr auto kCompats = std::to_array<Choice<Compat>>({
    {Compat::none, "none"},
    {Compat::reference, "reference"},
});
constexpr std::span<const Choice<Compat>> choices_of(Compat) {
  return kCompats;
}

}  // namespace anemll
