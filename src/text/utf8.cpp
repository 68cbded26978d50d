#include "src/text/utf8.hpp"

#include <algorithm>

#include <simdjson.h>
#include <utf8proc.h>

namespace anemll::text {
namespace {

struct Part {
  std::size_t bytes;
  bool well_formed;
  bool cut = false;  // by the end of the bytes: more of them could make it well-formed
};

/// The code point at `at`, or the maximal part of one that cannot go on (Unicode table 3-7).
Part part_at(std::string_view bytes, std::size_t at) {
  const auto lead = static_cast<unsigned char>(bytes[at]);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  const std::size_t tail = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  // Only the first continuation byte has a narrower range, and only after these leads.
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (std::size_t k = 1; k <= tail; ++k, low = 0x80, high = 0xbf) {
    if (at + k >= bytes.size()) return {k, false, true};
    const auto next = static_cast<unsigned char>(bytes[at + k]);
    if (next < low || next > high) return {k, false};
  }
  return {tail + 1, true};
}

}  // namespace

std::size_t first_bad_utf8(std::string_view bytes) {
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) return std::string_view::npos;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Part part = part_at(bytes, at);
    if (!part.well_formed) return at;
    at += part.bytes;
  }
  return std::string_view::npos;
}

std::string lossy_utf8(std::string bytes) {
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) return bytes;
  std::string out;
  out.reserve(bytes.size() + 16);
  for (std::size_t at = 0; at < bytes.size();) {
    const Part part = part_at(bytes, at);
    if (part.well_formed) {
      out.append(bytes, at, part.bytes);
    } else {
      out += "\xef\xbf\xbd";
    }
    at += part.bytes;
  }
  return out;
}

std::size_t unfinished_utf8(std::string_view bytes) {
  for (std::size_t tail = std::min<std::size_t>(3, bytes.size()); tail > 0; --tail) {
    const Part part = part_at(bytes, bytes.size() - tail);
    if (part.cut && part.bytes == tail) return tail;
  }
  return 0;
}

void append_code_point(std::string& out, char32_t value) {
  utf8proc_uint8_t buffer[4];
  const auto bytes = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(bytes));
}

CharClass class_above_ascii(char32_t value) {
  switch (value) {
    case 0x85:
    case 0xa0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202f:
    case 0x205f:
    case 0x3000:
      return CharClass::space;
    default:
      break;
  }
  if (value >= 0x2000 && value <= 0x200a) return CharClass::space;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(value))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return CharClass::upper;
    case UTF8PROC_CATEGORY_LL:
      return CharClass::lower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::letter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return CharClass::mark;
    case UTF8PROC_CATEGORY_ND:
      return CharClass::decimal;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::number;
    case UTF8PROC_CATEGORY_PC:
      return CharClass::connector;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return CharClass::punctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return CharClass::symbol;
    default:
      return CharClass::other;
  }
}

}  // namespace anemll::text
