// The known word that a mistyped one means.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace anemll {

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The one of `known` that is nearest to `unknown`, by edits and by beginning; `-` and `_` are equal. Empty
/// when none is near.
std::string nearest_word(std::string_view unknown, std::span<const std::string> known);

/// "did you mean --WORD? ", with `dashes` before the nearest word, as a hint begins; empty when none is near.
std::string did_you_mean(std::string_view unknown, std::span<const std::string> known,
                         std::string_view dashes = "");

}  // namespace anemll
