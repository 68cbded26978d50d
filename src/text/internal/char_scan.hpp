// Steps over the characters of a text, for the scanners. Pure, any thread.
#pragma once

#include "src/text/utf8.hpp"

namespace anemll::text {

struct Char {
  char32_t value;
  CharClass kind;
  const char* next;
};

inline Char read_char(const char* at) {
  const CodePoint code = code_point_at(at);
  return {code.value, class_of(code.value), at + code.bytes};
}

/// The end of the run of such characters that begins at `at`; no more than `most` of them, 0 for all.
inline const char* skip_chars(const char* at, const char* end, CharSet set, int most = 0) {
  for (int count = 0; at < end && (most == 0 || count < most); ++count) {
    const Char c = read_char(at);
    if (!set.has(c.kind)) break;
    at = c.next;
  }
  return at;
}

/// What becomes of line ends in white space that no other alternative of a pattern takes.
enum class LineEnds {
  plain,  ///< \s+(?!\S)|\s+
  last,   ///< \s*[\r\n]+ before that: up to the last line end, if there is one
  each,   ///< [\r\n] before that: a line end at the beginning is alone
};

/// The end of the piece of white space that begins at `at`: all of it at the end of the text, else all but
/// the last character, else that one.
const char* white_space_piece(const char* at, const char* end, LineEnds rule);

}  // namespace anemll::text
