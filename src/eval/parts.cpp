// Scores of a model by source, position and kind of token: see comparison.hpp.
#include "anemll/core/log.hpp"
#include "src/eval/comparison.hpp"
#include "src/eval/internal/token_classes.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <utility>

namespace anemll {
namespace {

constexpr std::int64_t kBins = 8;

/// The scores of each part, in the order in which parts are told.
using Parts = std::map<std::int64_t, std::vector<PositionScore>>;

/// part(window, place of the position in it) for every position that counts.
template <class PartOf>
Parts split(const ComparedText& text, const TextScores& scores, const PartOf& part_of) {
  Parts parts;
  for (std::size_t w = 0; w < text.text.windows.size(); ++w) {
    const ScoreWindow& window = text.text.windows[w];
    for (std::int64_t i = 0; i < window.scored; ++i) {
      const PositionScore& score = scores.positions[text.scorer.first_slot(w) + static_cast<std::size_t>(i)];
      if (score.counted != 0) parts[part_of(w, window.first + i)].push_back(score);
    }
  }
  return parts;
}

using R = PartRow;
constexpr auto kParts = "parts";
constexpr Column<R> kPartColumns[] = {
    {"", "part", "", "of the positions", Shown::text, [](const R& r) { return Figure(r.by + " " + r.part); }},
    {"", "model", "", "", Shown::text, [](const R& r) { return Figure(r.model); }},
    {"", "by", "", "", Shown::text, [](const R& r) { return Figure(r.by); }},
    {kParts, "positions", "", "that were scored", Shown::number,
     [](const R& r) { return Figure(r.summary.positions); }},
    {kParts, "kl", "nats", "mean", Shown::number,
     [](const R& r) { return r.compared ? Figure(r.summary.mean) : Figure(); }},
    {kParts, "kl_p99", "nats", "99% have less", Shown::number,
     [](const R& r) { return r.compared ? Figure(r.summary.p99) : Figure(); }},
    {kParts, "top1", "", "agreement", Shown::percent,
     [](const R& r) { return r.compared ? Figure(r.summary.top1) : Figure(); }},
    {kParts, "perplexity", "", "", Shown::number,
     [](const R& r) { return Figure(std::exp(r.summary.student_nll)); }},
};

}  // namespace

std::span<const Column<PartRow>> part_columns() {
  return kPartColumns;
}

std::vector<PartRow> part_rows(const ModelResult& result, const ComparedText& text) {
  std::vector<PartRow> rows;
  if (!result.scores) return rows;
  const auto add = [&](const std::string& by, const Parts& parts, const auto& name_of) {
    for (const auto& [part, scores] : parts)
      rows.push_back({result.name, by, name_of(part), summarise(scores), text.has_teacher});
  };
  if (text.text.sources.size() > 1) {
    add("source",
        split(text, *result.scores,
              [&](std::size_t w, std::int64_t) { return static_cast<std::int64_t>(text.text.source_of[w]); }),
        [&](std::int64_t source) { return text.text.sources[static_cast<std::size_t>(source)]; });
  }
  std::int64_t longest = 1;
  for (const ScoreWindow& window : text.text.windows)
    longest = std::max(longest, static_cast<std::int64_t>(window.ids.size()));
  const std::int64_t width = (longest + kBins - 1) / kBins;
  add("position",
      split(text, *result.scores, [&](std::size_t, std::int64_t position) { return position / width; }),
      [&](std::int64_t bin) {
        return strf("%lld to %lld", static_cast<long long>(bin * width),
                    static_cast<long long>(std::min((bin + 1) * width, longest) - 1));
      });
  if (text.tokenizer != nullptr) {
    TokenClasses classes(*text.tokenizer);
    add("token",
        split(text, *result.scores,
              [&](std::size_t w, std::int64_t position) {
                const auto next = static_cast<std::size_t>(position) + 1;
                return static_cast<std::int64_t>(classes.of(text.text.windows[w].ids[next]));
              }),
        [](std::int64_t kind) { return choice_name(static_cast<TokenClass>(kind)); });
  }
  return rows;
}

}  // namespace anemll
