#include "src/text/internal/python_repr.hpp"

#include "anemll/core/log.hpp"
#include "src/text/utf8.hpp"

#include <algorithm>
#include <cstddef>

#include <nlohmann/json.hpp>

namespace anemll::text {
namespace {

/// In the sense of str.isprintable().
bool printable(char32_t value) {
  const CharClass kind = class_of(value);
  return value == ' ' || (kind != CharClass::other && !kSpaces.has(kind));
}

std::string escaped(char32_t value) {
  const auto number = static_cast<unsigned>(value);
  return value < 0x100 ? strf("\\x%02x", number) : strf(value < 0x10000 ? "\\u%04x" : "\\U%08x", number);
}

/// repr() of a text: in double quotes where it holds single quotes only.
std::string quoted(const std::string& text) {
  const bool single = text.find('\'') == std::string::npos || text.find('"') != std::string::npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint code = code_point_at(text.data() + at);
    const std::string_view spelled = std::string_view(text).substr(at, code.bytes);
    at += code.bytes;
    if (code.value == '\n') {
      out += "\\n";
    } else if (code.value == '\r') {
      out += "\\r";
    } else if (code.value == '\t') {
      out += "\\t";
    } else if (code.value == '\\' || code.value == static_cast<unsigned char>(quote)) {
      out.append("\\").append(spelled);
    } else if (printable(code.value)) {
      out += spelled;
    } else {
      out += escaped(code.value);
    }
  }
  return out += quote;
}

/// Behind the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

}  // namespace

std::string python_repr(std::string_view json) {
  if (json.starts_with('"')) {
    const auto text = nlohmann::json::parse(json, nullptr, false);
    if (text.is_string()) return text.get<std::string>();
  }
  std::string out;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    std::size_t end = at + 1;
    if (c == '"') {
      end = end_of_string(json, at);
      const auto parsed = nlohmann::json::parse(json.substr(at, end - at), nullptr, false);
      out += parsed.is_string() ? quoted(parsed.get<std::string>()) : std::string(json.substr(at, end - at));
    } else if (c == ',' || c == ':') {
      out.append(1, c).append(" ");
    } else if (c >= 'a' && c <= 'z') {
      while (end < json.size() && json[end] >= 'a' && json[end] <= 'z') ++end;
      const std::string_view word = json.substr(at, end - at);
      out += word == "true" ? "True" : word == "false" ? "False" : word == "null" ? "None" : word;
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      out += c;
    }
    at = end;
  }
  return out;
}

}  // namespace anemll::text
