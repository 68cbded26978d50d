// Finds added tokens in a text: the leftmost first, the longest among those that begin there. Immutable.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace anemll::text {

class AddedTokenFinder {
 public:
  AddedTokenFinder();
  /// Its content is not empty. The last of those with one content holds.
  void insert(const AddedToken& token);
  bool empty() const { return firsts_ == 0; }

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::int32_t id = -1;  ///< -1: none
    std::uint8_t rules = 0;
  };

  /// Calls `stretch` with what stands between the tokens of a well-formed text and `token` with their ids, in
  /// order. White space that a token takes is in neither.
  template <typename Stretch, typename Token>
  void cut(std::string_view text, const Stretch& stretch, const Token& token) const {
    std::size_t from = 0;    // what stands before it is done
    std::size_t search = 0;  // what a token takes beside itself may hold the next one
    for (Match match = find(text, search); match.id >= 0; match = find(text, search)) {
      search = match.end;
      if (match.rules != 0 && !widen(text, from, match)) continue;
      if (from < match.begin) stretch(text.substr(from, match.begin - from));
      token(match.id);
      from = match.end;
    }
    if (from < text.size()) stretch(text.substr(from));
  }

  Match find(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    std::int32_t id = -1;
    std::int32_t child = -1;
    std::int32_t sibling = -1;
    char byte = 0;
    std::uint8_t rules = 0;
  };
  /// Adds the white space that a token takes; false for a token that is a part of a word and must not be.
  static bool widen(std::string_view text, std::size_t from, Match& match);
  std::size_t next_candidate(std::string_view text, std::size_t from) const;
  std::int32_t child_of(std::int32_t node, char byte) const;

  std::array<std::int32_t, 256> roots_{};  // first byte -> node, -1: no token begins with it
  int firsts_ = 0;
  char only_first_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace anemll::text
