// Strings cut as the templates' Python does it. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace anemll::text {

/// Bytes of white space that `text` begins with, in the sense of Python's str.isspace.
std::size_t leading_space(std::string_view text);

/// str.strip() and str.rstrip().
std::string_view stripped(std::string_view text);
std::string_view right_stripped(std::string_view text);

/// The same for line ends only: lstrip("\n"), rstrip("\n").
inline std::string_view without_leading_lines(std::string_view text) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  return text;
}
inline std::string_view without_trailing_lines(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

/// split(mark)[-1]: what is behind the last `mark`, the whole text where there is none.
inline std::string_view behind_last(std::string_view text, std::string_view mark) {
  const std::size_t at = text.rfind(mark);
  return at == std::string_view::npos ? text : text.substr(at + mark.size());
}

}  // namespace anemll::text
