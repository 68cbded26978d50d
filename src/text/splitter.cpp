#include "src/text/internal/splitter.hpp"

#include "src/text/internal/match_scanner.hpp"
#include "src/text/internal/word_scanner.hpp"

#include <algorithm>

namespace anemll::text {

Splitter::Splitter(std::span<const SplitPattern> steps, std::string_view text)
    : steps_(steps.first(std::min(steps.size(), kMostSplitSteps))) {
  levels_[0] = {text.data(), text.data() + text.size(), nullptr, text.data(), nullptr};
}

// The end of the piece that begins at level.at: of a match, or of what stands before the next one.
const char* Splitter::cut(SplitPattern pattern, Level& level) {
  if (is_word_pattern(pattern)) return word_piece(pattern, level.at, level.end);
  if (level.match_end <= level.at) {
    const Match match = find_match(pattern, level.at, level.end, level.known);
    level.match_begin = match.begin;
    level.match_end = match.end;
  }
  return level.match_begin > level.at ? level.match_begin : level.match_end;
}

std::string_view Splitter::next() {
  while (levels_[depth_].at == levels_[depth_].end) {
    if (depth_ == 0) return {};
    --depth_;
  }
  for (;;) {
    Level& level = levels_[depth_];
    const char* const begin = level.at;
    level.at = steps_.empty() ? level.end : cut(steps_[depth_], level);
    if (depth_ + 1 >= steps_.size()) return {begin, static_cast<std::size_t>(level.at - begin)};
    ++depth_;
    levels_[depth_] = {begin, level.at, nullptr, begin, nullptr};
  }
}

}  // namespace anemll::text
