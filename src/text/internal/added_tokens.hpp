// Finds added tokens in a text: the leftmost first, the longest among those that begin there. Immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace anemll::text {

class AddedTokenFinder {
 public:
  AddedTokenFinder();
  /// `content` is not empty.
  void insert(std::string_view content, std::int32_t id);
  bool empty() const { return firsts_ == 0; }

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::int32_t id = -1;  ///< -1: none
  };
  Match find(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    std::int32_t id = -1;
    std::int32_t child = -1;
    std::int32_t sibling = -1;
    char byte = 0;
  };
  std::size_t next_candidate(std::string_view text, std::size_t from) const;
  std::int32_t child_of(std::int32_t node, char byte) const;

  std::array<std::int32_t, 256> roots_{};  // first byte -> node, -1: no token begins with it
  int firsts_ = 0;
  char only_first_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace anemll::text
