// One scanner for the Qwen2, Llama 3 and GPT-4o families, which differ in five rules, and one for GPT-2.
#include "src/text/internal/word_scanner.hpp"

#include "src/text/internal/char_scan.hpp"

#include <cstddef>

namespace anemll::text {
namespace {

enum class Contractions { none, first, at_word_end };

struct Rules {
  Contractions contractions;
  CharSet word;          // what words are made of
  bool cased;            // words end before a capital
  int digits;            // at most so many numbers together, 0 for any number
  const char* sign_end;  // what may follow signs, beside them
};

constexpr CharSet kMarkedLetters = kLetters | kMarks;
constexpr CharSet kSigns = ~(kLetters | kNumbers | kSpaces);
constexpr CharSet kGap = ~(kLetters | kNumbers | char_set(CharClass::newline));  // may begin a word

constexpr Rules rules_of(SplitPattern pattern) {
  constexpr auto kFirst = Contractions::first;
  switch (pattern) {
    case SplitPattern::qwen2_plain:
      return {Contractions::none, kLetters, false, 1, "\r\n"};
    case SplitPattern::qwen35:
      return {kFirst, kMarkedLetters, false, 1, "\r\n"};
    case SplitPattern::llama3:
      return {kFirst, kLetters, false, 3, "\r\n"};
    case SplitPattern::any_digits:
      return {kFirst, kLetters, false, 0, "\r\n"};
    case SplitPattern::seed_coder:
      return {kFirst, kLetters, false, 1, ""};
    case SplitPattern::gpt4o:
      return {Contractions::at_word_end, kMarkedLetters, true, 3, "\r\n/"};
    case SplitPattern::tekken:
      return {Contractions::none, kMarkedLetters, true, 1, "\r\n/"};
    default:
      return {kFirst, kLetters, false, 1, "\r\n"};
  }
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

constexpr CharSet kUncased = char_set(CharClass::letter, CharClass::mark);
constexpr CharSet kCapitals = kUncased | char_set(CharClass::upper);
constexpr CharSet kSmall = kUncased | char_set(CharClass::lower);

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+, nullptr for no match. Without small letters
// behind the capitals the match ends behind the last character that is both.
const char* mixed_word(const char* at, const char* end) {
  const char* last = nullptr;
  while (at < end) {
    const Char c = read_char(at);
    if (c.kind == CharClass::lower) return skip_chars(c.next, end, kSmall);
    if (!kCapitals.has(c.kind)) break;
    at = c.next;
    if (kUncased.has(c.kind)) last = at;
  }
  return last;
}

// The same with + and *, where mixed_word has no match: capitals alone.
const char* capitals(const char* at, const char* end) {
  const char* const stop = skip_chars(at, end, kCapitals);
  return stop == at ? nullptr : stop;
}

// A mark may be the gap before a word too; the alternatives come in the order of the pattern.
const char* cased_word(const char* at, const Char& first, const char* end) {
  const bool gap = kGap.has(first.kind) && first.next < end;
  const char* stop = gap ? mixed_word(first.next, end) : nullptr;
  if (stop == nullptr) stop = mixed_word(at, end);
  if (stop == nullptr && gap) stop = capitals(first.next, end);
  return stop == nullptr ? capitals(at, end) : stop;
}

// [^\r\n\p{L}\p{N}]?\p{L}+, nullptr for no match.
const char* plain_word(const Char& first, const char* end, CharSet word) {
  if (word.has(first.kind)) return skip_chars(first.next, end, word);
  if (!kGap.has(first.kind) || first.next == end) return nullptr;
  const Char second = read_char(first.next);
  return word.has(second.kind) ? skip_chars(second.next, end, word) : nullptr;
}

const char* skip_any_of(const char* at, const char* end, const char* set) {
  for (; at < end; ++at) {
    const char* one = set;
    while (*one != '\0' && *one != *at) ++one;
    if (*one == '\0') break;
  }
  return at;
}

// Contraction, word, numbers, ` ?[signs]+[sign_end]*`, white space: in this order.
const char* piece_by(const Rules& rules, const char* at, const char* end) {
  const Char first = read_char(at);
  if (*at == '\'' && rules.contractions == Contractions::first) {
    if (const std::size_t length = contraction(first.next, end, true); length != 0)
      return first.next + length;
  }
  if (rules.cased) {
    if (const char* stop = cased_word(at, first, end); stop != nullptr) {
      if (rules.contractions == Contractions::at_word_end && stop < end && *stop == '\'') {
        if (const std::size_t length = contraction(stop + 1, end, true); length != 0)
          return stop + 1 + length;
      }
      return stop;
    }
  } else if (const char* stop = plain_word(first, end, rules.word); stop != nullptr) {
    return stop;
  }
  if (kNumbers.has(first.kind)) return skip_chars(at, end, kNumbers, rules.digits);
  // What a word would take is no sign, but for the marks of the cased patterns.
  const CharSet signs = rules.cased ? kSigns : kSigns & ~rules.word;
  const char* sign = *at == ' ' ? first.next : at;
  if (sign < end && signs.has(read_char(sign).kind))
    return skip_any_of(skip_chars(sign, end, signs), end, rules.sign_end);
  return white_space_piece(at, end, LineEnds::last);
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
const char* gpt2_piece(const char* at, const char* end) {
  const Char first = read_char(at);
  if (*at == '\'') {
    if (const std::size_t length = contraction(first.next, end, false); length != 0)
      return first.next + length;
  }
  const char* const begin = *at == ' ' ? first.next : at;
  if (begin < end) {
    const CharClass kind = read_char(begin).kind;
    for (const CharSet set : {kLetters, kNumbers, kSigns}) {
      if (set.has(kind)) return skip_chars(begin, end, set);
    }
  }
  return white_space_piece(at, end, LineEnds::plain);
}

}  // namespace

const char* white_space_piece(const char* at, const char* end, LineEnds rule) {
  const Char first = read_char(at);
  if (rule == LineEnds::each && first.kind == CharClass::newline) return first.next;
  const char* line_end = nullptr;
  const char* last = at;
  const char* run = at;
  while (run < end) {
    const Char c = read_char(run);
    if (!kSpaces.has(c.kind)) break;
    if (c.kind == CharClass::newline) line_end = c.next;
    last = run;
    run = c.next;
  }
  if (rule == LineEnds::last && line_end != nullptr) return line_end;
  return run == end || last == at ? run : last;
}

bool is_word_pattern(SplitPattern pattern) {
  return pattern <= SplitPattern::tekken;
}

const char* word_piece(SplitPattern pattern, const char* at, const char* end) {
  return pattern == SplitPattern::gpt2 ? gpt2_piece(at, end) : piece_by(rules_of(pattern), at, end);
}

}  // namespace anemll::text
