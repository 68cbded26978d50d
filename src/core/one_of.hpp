// Membership in a short list, such as a table of known keys.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace anemll {

/// Whether `text` is among the texts of `list`, which may stand in braces.
template <class List = std::initializer_list<std::string_view>>
bool is_one_of(std::string_view text, const List& list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace anemll
