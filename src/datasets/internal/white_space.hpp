// Python's str.strip for UTF-8: Unicode's white space and the four separators U+001C to U+001F.
#pragma once

#include <array>
#include <string_view>

namespace anemll::datasets {

/// `text` without white space at both ends. Bytes that are not UTF-8 are never white space.
inline std::string_view python_strip(std::string_view text) {
  using namespace std::string_view_literals;
  // The white space of two and three bytes: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F,
  // U+205F, U+3000.
  static constexpr std::array kLong = {"\xc2\x85"sv,     "\xc2\xa0"sv,     "\xe1\x9a\x80"sv, "\xe2\x80\x80"sv,
                                       "\xe2\x80\x81"sv, "\xe2\x80\x82"sv, "\xe2\x80\x83"sv, "\xe2\x80\x84"sv,
                                       "\xe2\x80\x85"sv, "\xe2\x80\x86"sv, "\xe2\x80\x87"sv, "\xe2\x80\x88"sv,
                                       "\xe2\x80\x89"sv, "\xe2\x80\x8a"sv, "\xe2\x80\xa8"sv, "\xe2\x80\xa9"sv,
                                       "\xe2\x80\xaf"sv, "\xe2\x81\x9f"sv, "\xe3\x80\x80"sv};
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  const auto is_short = [](char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
  };
  const auto front = [&]() -> std::size_t {
    if (text.empty()) return 0;
    if (is_short(text.front())) return 1;
    if (is_ascii(text.front())) return 0;
    for (const std::string_view space : kLong)
      if (text.starts_with(space)) return space.size();
    return 0;
  };
  const auto back = [&]() -> std::size_t {
    if (text.empty()) return 0;
    if (is_short(text.back())) return 1;
    if (is_ascii(text.back())) return 0;
    for (const std::string_view space : kLong)
      if (text.ends_with(space)) return space.size();
    return 0;
  };
  for (std::size_t n; (n = front()) != 0;) text.remove_prefix(n);
  for (std::size_t n; (n = back()) != 0;) text.remove_suffix(n);
  return text;
}

}  // namespace anemll::datasets
