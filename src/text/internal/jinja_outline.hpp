// What a chat template's Jinja text does, reduced to a form in which layout, quotes and the way of adding
// strings make no difference. Nothing is executed. Pure, any thread.
#pragma once

#include <string>
#include <string_view>

namespace anemll::text {

/// Of names in statements and expressions.
constexpr bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// One line a step: `text ...` (printed as it is, neighbours joined, line ends as \n), `print EXPRESSION`,
/// `do STATEMENT`. Expressions have no white space but between words, "..." strings, and .name for ['name'].
/// Comments are gone. Text that is no Jinja gives an outline all the same.
std::string jinja_outline(std::string_view jinja);

}  // namespace anemll::text
