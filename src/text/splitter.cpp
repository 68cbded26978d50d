#include "src/text/internal/splitter.hpp"

#include "src/text/utf8.hpp"

namespace anemll::text {
namespace {

struct Char {
  CharClass kind;
  const char* next;
};

Char read(const char* at) {
  const CodePoint code = code_point_at(at);
  return {class_of(code.value), at + code.bytes};
}

bool is_space(CharClass kind) {
  return kind == CharClass::space || kind == CharClass::newline;
}

const char* skip(const char* at, const char* end, CharClass kind) {
  while (at < end) {
    const Char c = read(at);
    if (c.kind != kind) break;
    at = c.next;
  }
  return at;
}

/// A piece that begins with white space which no other alternative takes: all of it at the end of the text,
/// else all but the last character, else that one.
const char* white_space(const char* first_end, const char* end) {
  const char* at = first_end;
  const char* last = nullptr;
  while (at < end) {
    const Char c = read(at);
    if (!is_space(c.kind)) return last == nullptr ? at : last;
    last = at;
    at = c.next;
  }
  return at;
}

// Length of 's 't 'm 'd 're 've 'll after the apostrophe, 0 for none. Without case U+017F is an s.
std::size_t contraction(const char* at, const char* end, bool any_case) {
  const auto left = end - at;
  if (left < 1) return 0;
  const auto lower = [&](char c) {
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = lower(at[0]);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 1;
  if (left < 2) return 0;
  if (any_case && at[0] == '\xc5' && at[1] == '\xbf') return 2;
  const char second = lower(at[1]);
  return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 2 : 0;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
// \s+(?!\S)|\s+
const char* qwen2_piece(const char* at, const char* end) {
  const Char first = read(at);
  if (first.kind == CharClass::letter) return skip(first.next, end, CharClass::letter);
  if (first.kind == CharClass::number) return first.next;
  if (*at == '\'') {
    if (const std::size_t length = contraction(first.next, end, true); length != 0)
      return first.next + length;
  }
  const bool has_second = first.next < end;
  const Char second = has_second ? read(first.next) : first;
  if (has_second && first.kind != CharClass::newline && second.kind == CharClass::letter)
    return skip(second.next, end, CharClass::letter);
  if (first.kind == CharClass::other || (*at == ' ' && has_second && second.kind == CharClass::other))
    return skip(skip(first.next, end, CharClass::other), end, CharClass::newline);
  // White space: up to its last line end if it has one.
  const char* line_end = nullptr;
  const char* last = at;
  const char* run = at;
  while (run < end) {
    const Char c = read(run);
    if (!is_space(c.kind)) break;
    if (c.kind == CharClass::newline) line_end = c.next;
    last = run;
    run = c.next;
  }
  if (line_end != nullptr) return line_end;
  return run == end || last == at ? run : last;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const char* gpt2_piece(const char* at, const char* end) {
  const Char first = read(at);
  if (*at == '\'') {
    if (const std::size_t length = contraction(first.next, end, false); length != 0)
      return first.next + length;
  }
  if (!is_space(first.kind)) return skip(first.next, end, first.kind);
  if (*at == ' ' && first.next < end) {
    const Char second = read(first.next);
    if (!is_space(second.kind)) return skip(second.next, end, second.kind);
  }
  return white_space(first.next, end);
}

const char* before_number(const char* at, const char* end) {
  while (at < end) {
    const Char c = read(at);
    if (c.kind == CharClass::number) break;
    at = c.next;
  }
  return at;
}

}  // namespace

Splitter::Splitter(SplitPattern pattern, std::string_view text)
    : pattern_(pattern), at_(text.data()), end_(text.data() + text.size()), limit_(text.data()) {}

std::string_view Splitter::next() {
  if (at_ == end_) return {};
  const char* const begin = at_;
  switch (pattern_) {
    case SplitPattern::qwen2:
      at_ = qwen2_piece(begin, end_);
      break;
    case SplitPattern::gpt2:
      at_ = gpt2_piece(begin, end_);
      break;
    case SplitPattern::gpt2_digits:
      if (begin == limit_) limit_ = before_number(begin, end_);
      if (begin == limit_) {
        at_ = limit_ = read(begin).next;
      } else {
        at_ = gpt2_piece(begin, limit_);
      }
      break;
  }
  return {begin, static_cast<std::size_t>(at_ - begin)};
}

}  // namespace anemll::text
