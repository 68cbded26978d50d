// UTF-8 in and out, and the character classes that the split patterns ask about. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace anemll::text {

/// Offset of the first byte that is not part of well-formed UTF-8; npos when there is none.
std::size_t first_bad_utf8(std::string_view bytes);

/// `bytes` with every maximal ill-formed part replaced by U+FFFD, as Rust and the web do it.
std::string lossy_utf8(std::string bytes);

/// How many bytes at the end begin a well-formed character whose rest is missing, 0 to 3.
std::size_t unfinished_utf8(std::string_view bytes);

struct CodePoint {
  char32_t value;
  std::uint32_t bytes;
};

/// The code point at `at`, which begins one of well-formed text.
inline CodePoint code_point_at(const char* at) {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<unsigned char>(at[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) return {(lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

void append_code_point(std::string& out, char32_t value);

enum class CharClass : std::uint8_t {
  other,        ///< none of those below: controls, formats, unassigned
  upper,        ///< Lu, Lt
  lower,        ///< Ll
  letter,       ///< Lm, Lo
  mark,         ///< M*
  decimal,      ///< Nd
  number,       ///< Nl, No
  connector,    ///< Pc
  punctuation,  ///< the other P*
  symbol,       ///< S*
  space,        ///< White_Space but for CR and LF
  newline,      ///< CR, LF
};

/// Some of the classes.
struct CharSet {
  std::uint16_t bits;
  constexpr bool has(CharClass kind) const { return (bits >> static_cast<unsigned>(kind) & 1U) != 0; }
  constexpr CharSet operator|(CharSet other) const { return {static_cast<std::uint16_t>(bits | other.bits)}; }
  constexpr CharSet operator&(CharSet other) const { return {static_cast<std::uint16_t>(bits & other.bits)}; }
  constexpr CharSet operator~() const { return {static_cast<std::uint16_t>(~bits)}; }
};
template <typename... Kinds>
constexpr CharSet char_set(Kinds... kinds) {
  return {static_cast<std::uint16_t>(((1U << static_cast<unsigned>(kinds)) | ...))};
}
inline constexpr CharSet kLetters = char_set(CharClass::upper, CharClass::lower, CharClass::letter);
inline constexpr CharSet kMarks = char_set(CharClass::mark);
inline constexpr CharSet kNumbers = char_set(CharClass::decimal, CharClass::number);
inline constexpr CharSet kPunctuation = char_set(CharClass::connector, CharClass::punctuation);
inline constexpr CharSet kSymbols = char_set(CharClass::symbol);
inline constexpr CharSet kSpaces = char_set(CharClass::space, CharClass::newline);

CharClass class_above_ascii(char32_t value);

inline CharClass class_of(char32_t value) {
  if (value >= 0x80) return class_above_ascii(value);
  if (value >= 'a' && value <= 'z') return CharClass::lower;
  if (value >= 'A' && value <= 'Z') return CharClass::upper;
  if (value >= '0' && value <= '9') return CharClass::decimal;
  if (value == '\n' || value == '\r') return CharClass::newline;
  if (value == ' ' || (value >= 0x09 && value <= 0x0d)) return CharClass::space;
  if (value < 0x20 || value == 0x7f) return CharClass::other;
  switch (value) {
    case '_':
      return CharClass::connector;
    case '$':
    case '+':
    case '<':
    case '=':
    case '>':
    case '^':
    case '`':
    case '|':
    case '~':
      return CharClass::symbol;
    default:
      return CharClass::punctuation;
  }
}

}  // namespace anemll::text
