#include "src/core/shell_word.hpp"

#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"

#include <algorithm>
#include <cstddef>

namespace anemll {
namespace {

/// Means itself in every shell, wherever it stands in a word.
bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-./=+:,@").find(c) != std::string_view::npos;
}

/// With a backslash in front of each of the characters `special`.
std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::string shell_word(std::string_view text) {
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  if (printable(text) != text) return std::string("$'").append(printable(escaped(text, "\\'"))).append("'");
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string python_text(std::string_view text) {
  const std::string whole = escaped(text, "\\\"");
  std::string out = "\"";
  for (std::size_t at = 0; at < whole.size();) {
    const std::size_t length = utf8_length(std::string_view(whole).substr(at));
    const auto byte = static_cast<unsigned char>(whole[at]);
    if (length == 0)
      out += strf("\\udc%02x", static_cast<unsigned>(byte));
    else if (byte < 0x20 || byte == 0x7f)
      out += strf("\\x%02x", static_cast<unsigned>(byte));
    else
      out.append(whole, at, length);
    at += length == 0 ? 1 : length;
  }
  return out + "\"";
}

}  // namespace anemll
