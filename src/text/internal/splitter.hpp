// Cuts a text into the pieces that are merged separately: hand-written scanners for the known split patterns,
// one after the other, linear in the text whatever it holds. One thread per object.
#pragma once

#include "anemll/text/tokenizer.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace anemll::text {

/// More steps are refused where a tokenizer is read.
inline constexpr std::size_t kMostSplitSteps = 8;

class Splitter {
 public:
  /// `text` is well-formed UTF-8; both outlive this.
  Splitter(std::span<const SplitPattern> steps, std::string_view text);
  /// The next piece; empty at the end. The pieces together are the text.
  std::string_view next();

 private:
  /// What one step has left of the piece that the step before gave it.
  struct Level {
    const char* at;
    const char* end;
    const char* match_begin;  // of the match at `at` or behind it, where `match_end` is behind `at`
    const char* match_end;
    const char* known;
  };
  static const char* cut(SplitPattern pattern, Level& level);

  std::span<const SplitPattern> steps_;
  std::array<Level, kMostSplitSteps> levels_;
  std::size_t depth_ = 0;
};

}  // namespace anemll::text
