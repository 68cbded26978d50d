#include "src/core/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace anemll {
namespace {

/// The spelling in which words are compared.
std::string with_dashes(std::string_view word) {
  std::string text(word);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the optimal string alignment table: before last, last, present.
  std::vector<std::size_t> older(b.size() + 1), old(b.size() + 1), now(b.size() + 1);
  std::iota(old.begin(), old.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({old[j] + 1, now[j - 1] + 1, old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], older[j - 2] + 1);
    }
    std::swap(older, old);
    std::swap(old, now);
  }
  return old[b.size()];
}

std::string nearest_word(std::string_view unknown, std::span<const std::string> known) {
  const std::string wanted = with_dashes(unknown);
  std::string best;
  // A third of the letters may be wrong; a leading part of a word ("batch") counts as one mistake.
  std::size_t limit = std::max<std::size_t>(2, unknown.size() / 3) + 1;
  for (const std::string& word : known) {
    const std::string candidate = with_dashes(word);
    std::size_t distance = edit_distance(wanted, candidate);
    if (wanted.size() >= 3 && candidate.starts_with(wanted)) distance = std::min<std::size_t>(distance, 1);
    if (distance < limit) {
      limit = distance;
      best = word;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view unknown, std::span<const std::string> known,
                         std::string_view dashes) {
  const std::string best = nearest_word(unknown, known);
  return best.empty() ? std::string() : "did you mean " + std::string(dashes) + best + "? ";
}

}  // namespace anemll
