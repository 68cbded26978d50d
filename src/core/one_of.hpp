// Membership in a short list, such as a table of known keys.
#pragma once

#include <algorithm>
#include <string_view>

namespace anemll {

/// Whether `text` is among the texts of `list`.
template <class List>
bool is_one_of(std::string_view text, const List& list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace anemll
