#include "src/text/internal/added_tokens.hpp"

#include "src/text/internal/char_scan.hpp"

#include <algorithm>
#include <cstring>

namespace anemll::text {
namespace {

constexpr std::uint8_t kSingleWord = 1, kLeft = 2, kRight = 4;

/// \w of the library's other regex engine: letters, marks, digits, connectors, joiners and letters in
/// circles.
bool is_word(const Char& c) {
  constexpr CharSet kWord = kLetters | kMarks | char_set(CharClass::decimal, CharClass::connector);
  if (kWord.has(c.kind)) return true;
  const auto in = [&](char32_t first, char32_t last) { return first <= c.value && c.value <= last; };
  if (c.kind == CharClass::number)  // Nl
    return in(0x16ee, 0x16f0) || in(0x2160, 0x2188) || c.value == 0x3007 || in(0x3021, 0x3029) ||
           in(0x3038, 0x303a) || in(0xa6e6, 0xa6ef) || in(0x10140, 0x10174) || c.value == 0x10341 ||
           c.value == 0x1034a || in(0x103d1, 0x103d5) || in(0x12400, 0x1246e);
  return in(0x200c, 0x200d) || in(0x24b6, 0x24e9) || in(0x1f130, 0x1f149) || in(0x1f150, 0x1f169) ||
         in(0x1f170, 0x1f189);
}

const char* last_char(const char* begin, const char* end) {
  const char* at = end - 1;
  while (at > begin && (static_cast<unsigned char>(*at) & 0xc0) == 0x80) --at;
  return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder() {
  roots_.fill(-1);
}

std::int32_t AddedTokenFinder::child_of(std::int32_t node, char byte) const {
  std::int32_t child = nodes_[static_cast<std::size_t>(node)].child;
  while (child >= 0 && nodes_[static_cast<std::size_t>(child)].byte != byte)
    child = nodes_[static_cast<std::size_t>(child)].sibling;
  return child;
}

void AddedTokenFinder::insert(const AddedToken& token) {
  const std::string_view content = token.content;
  std::int32_t& root = roots_[static_cast<unsigned char>(content[0])];
  if (root < 0) {
    root = static_cast<std::int32_t>(nodes_.size());
    nodes_.push_back({});
    ++firsts_;
    only_first_ = content[0];
  }
  std::int32_t node = root;
  for (const char byte : content.substr(1)) {
    std::int32_t child = child_of(node, byte);
    if (child < 0) {
      child = static_cast<std::int32_t>(nodes_.size());
      Node& parent = nodes_[static_cast<std::size_t>(node)];
      const std::int32_t sibling = parent.child;
      parent.child = child;
      nodes_.push_back({-1, -1, sibling, byte, 0});
    }
    node = child;
  }
  Node& last = nodes_[static_cast<std::size_t>(node)];
  last.id = token.id;
  last.rules = static_cast<std::uint8_t>((token.single_word ? kSingleWord : 0) | (token.lstrip ? kLeft : 0) |
                                         (token.rstrip ? kRight : 0));
}

bool AddedTokenFinder::widen(std::string_view text, std::size_t from, Match& match) {
  const char* const data = text.data();
  const char* const end = data + text.size();
  if ((match.rules & kSingleWord) != 0) {
    if (match.begin > 0 && is_word(read_char(last_char(data, data + match.begin)))) return false;
    if (match.end < text.size() && is_word(read_char(data + match.end))) return false;
  }
  if ((match.rules & kLeft) != 0) {
    const char* at = data + match.begin;
    while (at > data + from) {
      const char* const before = last_char(data, at);
      if (!kSpaces.has(read_char(before).kind)) break;
      at = before;
    }
    match.begin = std::max(static_cast<std::size_t>(at - data), from);
  }
  if ((match.rules & kRight) != 0)
    match.end = static_cast<std::size_t>(skip_chars(data + match.end, end, kSpaces) - data);
  return true;
}

std::size_t AddedTokenFinder::next_candidate(std::string_view text, std::size_t from) const {
  if (from >= text.size()) return text.size();
  if (firsts_ == 1) {
    const void* const at = std::memchr(text.data() + from, only_first_, text.size() - from);
    return at == nullptr ? text.size() : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
  }
  while (from < text.size() && roots_[static_cast<unsigned char>(text[from])] < 0) ++from;
  return from;
}

AddedTokenFinder::Match AddedTokenFinder::find(std::string_view text, std::size_t from) const {
  if (empty()) return {};
  for (std::size_t at = next_candidate(text, from); at < text.size(); at = next_candidate(text, at + 1)) {
    Match match;
    std::size_t end = at + 1;
    for (std::int32_t node = roots_[static_cast<unsigned char>(text[at])]; node >= 0; ++end) {
      const Node& here = nodes_[static_cast<std::size_t>(node)];
      if (here.id >= 0) match = {at, end, here.id, here.rules};
      if (end == text.size()) break;
      node = child_of(node, text[end]);
    }
    if (match.id >= 0) return match;
  }
  return {};
}

}  // namespace anemll::text
