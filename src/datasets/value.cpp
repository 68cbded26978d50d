#include "src/datasets/internal/value.hpp"

#include "src/core/printable.hpp"
#include "src/datasets/internal/record.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace anemll::datasets {
namespace {

std::string quote_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr std::string_view kDigits = "0123456789abcdef";
          out += "\\u00";
          out += kDigits[static_cast<unsigned char>(c) >> 4];
          out += kDigits[static_cast<unsigned char>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

/// A float as Python's repr writes it: the shortest digits, an exponent below 1e-4 and from 1e16 on.
std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  std::array<char, 400> buffer{};
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string out(buffer.data(), end.ptr);
  if (plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string python_literal(const std::string& text) {
  if (text.find_first_of("0123456789") == std::string::npos) return text;  // true, false
  if (text.find_first_of(".eE") == std::string::npos) return text == "-0" ? "0" : text;
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec == std::errc::result_out_of_range) {
    const bool small = text.find("e-") != std::string::npos || text.find("E-") != std::string::npos;
    value = small ? 0.0 : text.front() == '-' ? -HUGE_VAL : HUGE_VAL;
  }
  return python_float(value);
}

void append_json(const Value& value, std::string& out) {
  switch (value.kind) {
    case Value::Kind::text:
      out += quote_json(value.text);
      return;
    case Value::Kind::literal:
      out += python_literal(value.text);
      return;
    case Value::Kind::list:
      out += '[';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i != 0) out += ", ";
        append_json(value.items[i], out);
      }
      out += ']';
      return;
    case Value::Kind::object:
      out += '{';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i != 0) out += ", ";
        out += quote_json(value.keys[i]) + ": ";
        append_json(value.items[i], out);
      }
      out += '}';
      return;
    default:
      out += "null";
  }
}

}  // namespace

Value Value::of_text(std::string text) {
  Value out;
  out.kind = Kind::text;
  out.text = std::move(text);
  return out;
}

Value Value::of_type(Kind kind, std::string type) {
  Value out;
  out.kind = kind;
  out.type = std::move(type);
  return out;
}

const Value* Value::find(std::string_view key) const {
  for (std::size_t i = keys.size(); i-- > 0;)
    if (keys[i] == key) return &items[i];
  return nullptr;
}

bool Value::empty() const {
  if (absent()) return true;
  if (kind == Kind::text) return text.empty();
  return (kind == Kind::list || kind == Kind::object) && items.empty();
}

std::string Value::describe() const {
  constexpr std::size_t kShown = 40;
  if (!type.empty()) return type;
  switch (kind) {
    case Kind::missing:
      return "not there";
    case Kind::null:
      return "null";
    case Kind::text:
      return "a string";
    case Kind::literal:
      return (text == "true" || text == "false" ? "a truth value (" : "a number (") +
             printable(text, kShown) + ")";
    case Kind::object:
      return "an object";
    case Kind::list:
      break;
    case Kind::other:
      return "of an unknown type";
  }
  const auto odd =
      std::find_if(items.begin(), items.end(), [](const Value& item) { return item.kind != Kind::object; });
  return odd == items.end() ? "a list" : "a list with " + odd->describe() + " in it";
}

std::string Value::json() const {
  std::string out;
  append_json(*this, out);
  return out;
}

Names FieldList::all() const {
  Names out = main;
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

void Record::clear(std::size_t wanted) {
  fields.assign(wanted, Value{});
  names.clear();
  unread.clear();
}

void throw_bad_record(const std::string& what, const std::string& where, const std::string& hint) {
  throw BadRecord(ExitCode::data, what, where, hint);
}

}  // namespace anemll::datasets
