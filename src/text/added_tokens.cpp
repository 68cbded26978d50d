#include "src/text/internal/added_tokens.hpp"

#include <cstring>

namespace anemll::text {

AddedTokenFinder::AddedTokenFinder() {
  roots_.fill(-1);
}

std::int32_t AddedTokenFinder::child_of(std::int32_t node, char byte) const {
  std::int32_t child = nodes_[static_cast<std::size_t>(node)].child;
  while (child >= 0 && nodes_[static_cast<std::size_t>(child)].byte != byte)
    child = nodes_[static_cast<std::size_t>(child)].sibling;
  return child;
}

void AddedTokenFinder::insert(std::string_view content, std::int32_t id) {
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
      nodes_.push_back({-1, -1, sibling, byte});
    }
    node = child;
  }
  nodes_[static_cast<std::size_t>(node)].id = id;
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
      if (nodes_[static_cast<std::size_t>(node)].id >= 0)
        match = {at, end, nodes_[static_cast<std::size_t>(node)].id};
      if (end == text.size()) break;
      node = child_of(node, text[end]);
    }
    if (match.id >= 0) return match;
  }
  return {};
}

}  // namespace anemll::text
