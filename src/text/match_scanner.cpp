#include "src/text/internal/match_scanner.hpp"

#include "src/text/internal/char_scan.hpp"

#include <algorithm>
#include <iterator>
#include <span>

namespace anemll::text {
namespace {

struct Range {
  char32_t first, last;
};

// In the order and the cuts of the regular expression; sorted.
constexpr Range kCasedLetters[] = {
    {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},       {0xd8, 0xf6},
    {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},     {0x295, 0x2af},     {0x370, 0x373},
    {0x376, 0x376},     {0x377, 0x377},     {0x37b, 0x37d},     {0x37f, 0x37f},     {0x386, 0x386},
    {0x388, 0x38a},     {0x38c, 0x38c},     {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},
    {0x48a, 0x52f},     {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},   {0x13f8, 0x13fd},
    {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},   {0x1d6b, 0x1d77},   {0x1d79, 0x1d9a},
    {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},   {0x1f20, 0x1f45},   {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},
    {0x1f59, 0x1f59},   {0x1f5b, 0x1f5b},   {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},
    {0x1fb6, 0x1fbc},   {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},   {0x1fd0, 0x1fd3},
    {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},   {0x1ff6, 0x1ffc},   {0x2102, 0x2102},
    {0x2107, 0x2107},   {0x210a, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211d},   {0x2124, 0x2124},
    {0x2126, 0x2126},   {0x2128, 0x2128},   {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},
    {0x213c, 0x213f},   {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2183},   {0x2184, 0x2184},
    {0x2c00, 0x2c7b},   {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},   {0x2cf2, 0x2cf2},   {0x2cf3, 0x2cf3},
    {0xa640, 0xa66d},   {0xa680, 0xa69b},   {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},
    {0xab70, 0xabbf},   {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},   {0xff41, 0xff5a},
    {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb}, {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2},
    {0x118a0, 0x118df}, {0x1e900, 0x1e943}};
// U+3000 is white space and a sign.
constexpr Range kDeepseekSigns[] = {{'!', '/'},       {':', '~'},       {0xff01, 0xff0f},
                                    {0xff1a, 0xff5e}, {0x2018, 0x201f}, {0x3000, 0x3002}};
constexpr Range kHanAndHangul[] = {{0x4e00, 0x9fa5}, {0x0800, 0x4e00}, {0xac00, 0xd7ff}};
constexpr Range kHanAndKana[] = {{0x4e00, 0x9fa5}, {0x3040, 0x309f}, {0x30a0, 0x30ff}};

std::span<const Range> ranges_of(SplitPattern pattern) {
  switch (pattern) {
    case SplitPattern::cased_letters:
      return kCasedLetters;
    case SplitPattern::deepseek_signs:
      return kDeepseekSigns;
    case SplitPattern::han_and_hangul:
      return kHanAndHangul;
    case SplitPattern::han_and_kana:
      return kHanAndKana;
    default:
      return {};
  }
}

bool takes_space_before(SplitPattern pattern) {
  return pattern == SplitPattern::cased_letters || pattern == SplitPattern::deepseek_signs;
}

bool holds(std::span<const Range> ranges, char32_t value) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [value](const Range& r) { return r.first <= value && value <= r.last; });
}

bool holds_sorted(std::span<const Range> ranges, char32_t value) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), value,
                                      [](char32_t v, const Range& r) { return v < r.first; });
  return after != ranges.begin() && value <= std::prev(after)->last;
}

enum class Before { nothing, white_space, blank };

/// [one]+ (no more than `most`, 0 for all) with a white space or a blank before it where `before` asks for
/// it.
template <typename One>
Match find_run(const char* at, const char* end, Before before, int most, const One& one) {
  const auto run = [&](const char* from) {
    for (int count = 0; from < end && (most == 0 || count < most); ++count) {
      const Char c = read_char(from);
      if (!one(c)) break;
      from = c.next;
    }
    return from;
  };
  while (at < end) {
    const Char c = read_char(at);
    if (one(c)) return {at, run(at)};
    const bool takes =
        (before == Before::white_space && kSpaces.has(c.kind)) || (before == Before::blank && *at == ' ');
    if (takes && c.next < end && one(read_char(c.next))) return {at, run(c.next)};
    at = c.next;
  }
  return {end, end};
}

Match find_set(const char* at, const char* end, CharSet set, int most = 0, Before before = Before::nothing) {
  return find_run(at, end, before, most, [set](const Char& c) { return set.has(c.kind); });
}

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_ascii_sign(char32_t value) {
  return value < 0x80 && (kPunctuation | kSymbols).has(class_of(value));
}

// [ASCII signs][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|
// \s+; `each`: ` ?[\p{P}\p{S}]+|[\r\n]` in their place. nullptr where none begins at `at`: a number or
// another character that no letter follows.
const char* deepseek_v3_end(const char* at, const char* end, bool each) {
  constexpr CharSet kWord = kLetters | kMarks;
  constexpr CharSet kSigns = kPunctuation | kSymbols;
  const Char first = read_char(at);
  if (is_ascii_sign(first.value) && first.next < end && is_ascii_letter(*first.next))
    return std::find_if_not(first.next, end, is_ascii_letter);
  if (kWord.has(first.kind)) return skip_chars(first.next, end, kWord);
  const bool has_second = first.next < end;
  const CharClass second = has_second ? read_char(first.next).kind : CharClass::other;
  if (!kSigns.has(first.kind) && first.kind != CharClass::newline && kWord.has(second))
    return skip_chars(first.next, end, kWord);
  if (kSigns.has(first.kind) || (*at == ' ' && kSigns.has(second))) {
    const char* const stop = skip_chars(first.next, end, kSigns);
    return each ? stop : skip_chars(stop, end, char_set(CharClass::newline));
  }
  if (!kSpaces.has(first.kind)) return nullptr;
  return white_space_piece(at, end, each ? LineEnds::each : LineEnds::last);
}

Match find_deepseek_v3(const char* at, const char* end, bool each) {
  while (at < end) {
    if (const char* stop = deepseek_v3_end(at, end, each); stop != nullptr) return {at, stop};
    at = read_char(at).next;
  }
  return {end, end};
}

// \s+$: `$` stands before every LF and at the end of the text.
Match find_white_space_at_end(const char* at, const char* end) {
  while (at < end) {
    const Char first = read_char(at);
    if (!kSpaces.has(first.kind)) {
      at = first.next;
      continue;
    }
    const char* line_feed = nullptr;  // the last one that is not the first character of the run
    const char* run = first.next;
    while (run < end) {
      const Char c = read_char(run);
      if (!kSpaces.has(c.kind)) break;
      if (*run == '\n') line_feed = run;
      run = c.next;
    }
    if (run == end) return {at, end};
    if (line_feed != nullptr) return {at, line_feed};
    at = run;
  }
  return {end, end};
}

//  ?[^(\s|.,!?...)]+
bool is_bloom_word(const Char& c) {
  switch (c.value) {
    case '(':
    case ')':
    case '|':
    case '.':
    case ',':
    case '!':
    case '?':
    case 0x2026:
    case 0x3002:
    case 0xff0c:
    case 0x3001:
    case 0x0964:
    case 0x06d4:
    case 0x060c:
      return false;
    default:
      return !kSpaces.has(c.kind);
  }
}

// \d{1,3}(?=(?:\d{3})*\b): up to `known` the digits stand in threes.
Match find_digits_from_right(const char* at, const char* end, const char*& known) {
  constexpr CharSet kDigits = char_set(CharClass::decimal);
  constexpr CharSet kWord = kLetters | kMarks | kNumbers | char_set(CharClass::connector);
  if (known != nullptr && at < known) return {at, skip_chars(at, end, kDigits, 3)};
  while (at < end) {
    const Char c = read_char(at);
    if (c.kind != CharClass::decimal) {
      at = c.next;
      continue;
    }
    int count = 0;
    const char* run = at;
    while (run < end) {
      const Char digit = read_char(run);
      if (digit.kind != CharClass::decimal) break;
      count = (count + 1) % 3;
      run = digit.next;
    }
    if (run == end || !kWord.has(read_char(run).kind)) {
      known = run;
      return {at, skip_chars(at, end, kDigits, count == 0 ? 3 : count)};
    }
    at = run;
  }
  return {end, end};
}

// Bytes, not characters: the byte alphabet shows each as a character of its own, some of them numbers.
template <typename One>
Match find_bytes(const char* at, const char* end, bool each, const One& one) {
  const char* const begin = std::find_if(at, end, one);
  if (begin == end) return {end, end};
  return {begin, each ? begin + 1 : std::find_if_not(begin, end, one)};
}

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

// B2 B3 B9 are superscripts there, BC BD BE fractions.
bool is_byte_number(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return is_ascii_digit(c) || byte == 0xb2 || byte == 0xb3 || byte == 0xb9 || (byte >= 0xbc && byte <= 0xbe);
}

Match find_ascii_triple(const char* at, const char* end) {
  for (; end - at >= 3; ++at) {
    if (std::all_of(at, at + 3, is_ascii_digit)) return {at, at + 3};
  }
  return {end, end};
}

void append_class(std::string& out, std::span<const Range> ranges) {
  for (const Range& range : ranges) {
    append_code_point(out, range.first);
    if (range.last == range.first) continue;
    out += '-';
    append_code_point(out, range.last);
  }
}

}  // namespace

Match find_match(SplitPattern pattern, const char* at, const char* end, const char*& known) {
  const auto in = [pattern](const Char& c) { return holds(ranges_of(pattern), c.value); };
  switch (pattern) {
    case SplitPattern::deepseek_v3:
      return find_deepseek_v3(at, end, false);
    case SplitPattern::spark:
      return find_deepseek_v3(at, end, true);
    case SplitPattern::bloom:
      return find_run(at, end, Before::blank, 0, is_bloom_word);
    case SplitPattern::each_number:
      return find_set(at, end, kNumbers, 1);
    case SplitPattern::number_runs:
      return find_set(at, end, kNumbers);
    case SplitPattern::numbers_by_three:
      return find_set(at, end, kNumbers, 3);
    case SplitPattern::digits_by_three:
      return find_digits_from_right(at, end, known);
    case SplitPattern::ascii_triples:
      return find_ascii_triple(at, end);
    case SplitPattern::each_byte_number:
      return find_bytes(at, end, true, is_byte_number);
    case SplitPattern::byte_number_runs:
      return find_bytes(at, end, false, is_byte_number);
    case SplitPattern::line_ends:
      return find_set(at, end, char_set(CharClass::newline), 1);
    case SplitPattern::letter_runs:
      return find_set(at, end, kLetters, 0, Before::white_space);
    case SplitPattern::punctuation_runs:
      return find_set(at, end, kPunctuation, 0, Before::white_space);
    case SplitPattern::ascii_punctuation_runs:
      return find_run(at, end, Before::nothing, 0,
                      [](const Char& c) { return kPunctuation.has(c.kind) || is_ascii_sign(c.value); });
    case SplitPattern::old_punctuation_runs:
      return find_run(at, end, Before::nothing, 0, [](const Char& c) {
        return kPunctuation.has(c.kind) || (is_ascii_sign(c.value) && c.value != '`');
      });
    case SplitPattern::white_space_at_end:
      return find_white_space_at_end(at, end);
    case SplitPattern::cased_letters:
      return find_run(at, end, Before::white_space, 0,
                      [](const Char& c) { return holds_sorted(kCasedLetters, c.value); });
    case SplitPattern::deepseek_signs:
      return find_run(at, end, Before::white_space, 0, in);
    case SplitPattern::han_and_hangul:
    case SplitPattern::han_and_kana:
      return find_run(at, end, Before::nothing, 0, in);
    default:  // a word pattern: word_scanner
      return {end, end};
  }
}

std::string class_regex(SplitPattern pattern) {
  const std::span<const Range> ranges = ranges_of(pattern);
  if (ranges.empty()) return {};
  std::string out = takes_space_before(pattern) ? "\\s?[" : "[";
  append_class(out, ranges);
  out += "]+";
  return out;
}

}  // namespace anemll::text
