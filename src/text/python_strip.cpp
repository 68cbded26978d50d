#include "src/text/internal/python_strip.hpp"

#include "src/text/utf8.hpp"

#include <algorithm>

namespace anemll::text {
namespace {

bool is_space(char32_t value) {
  if (value >= 0x1c && value <= 0x1f) return true;  // Python counts the separators of ASCII
  const CharClass kind = class_of(value);
  return kind == CharClass::space || kind == CharClass::newline;
}

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

/// Bytes of the character that begins with `lead`.
std::size_t length_of(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

}  // namespace

std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t bytes = length_of(text[at]);
    if (text.size() - at < bytes || !is_space(code_point_at(text.data() + at).value)) break;
    at += bytes;
  }
  return at;
}

std::string_view right_stripped(std::string_view text) {
  while (!text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && continues(text[at])) --at;
    if (text.size() - at != length_of(text[at]) || !is_space(code_point_at(text.data() + at).value)) break;
    text = text.substr(0, at);
  }
  return text;
}

std::string_view stripped(std::string_view text) {
  text.remove_prefix(leading_space(text));
  return right_stripped(text);
}

}  // namespace anemll::text
