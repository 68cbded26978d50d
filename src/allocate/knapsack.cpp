#include "src/allocate/internal/knapsack.hpp"

#include <algorithm>
#include <limits>

namespace anemll {
namespace {

/// A choice that can be in a best solution: any cheaper one of its item has more loss.
struct Kept {
  std::size_t place;
  std::int64_t extra;  // over the item's cheapest
  double loss;
};

std::vector<Kept> useful(const std::vector<Offer>& choices) {
  std::vector<Kept> all;
  for (std::size_t i = 0; i < choices.size(); ++i) all.push_back({i, choices[i].cost, choices[i].loss});
  std::stable_sort(all.begin(), all.end(), [](const Kept& x, const Kept& y) {
    return x.extra != y.extra ? x.extra < y.extra : x.loss < y.loss;
  });
  std::vector<Kept> kept;
  for (const Kept& one : all) {
    if (kept.empty() || one.loss < kept.back().loss) kept.push_back(one);
  }
  const std::int64_t least = kept.empty() ? 0 : kept.front().extra;
  for (Kept& one : kept) one.extra -= least;
  return kept;
}

/// What is left of the budget goes to the single changes that gain most, again and again.
void spend_rest(const std::vector<std::vector<Kept>>& items, std::int64_t rest,
                std::vector<std::size_t>& chosen) {
  for (;;) {
    double most = 0;
    std::size_t at = 0, to = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Kept& now = items[i][chosen[i]];
      for (std::size_t k = chosen[i] + 1; k < items[i].size(); ++k) {
        if (items[i][k].extra - now.extra > rest) break;
        if (now.loss - items[i][k].loss <= most) continue;
        most = now.loss - items[i][k].loss;
        at = i;
        to = k;
      }
    }
    if (most <= 0) return;
    rest -= items[at][to].extra - items[at][chosen[at]].extra;
    chosen[at] = to;
  }
}

}  // namespace

std::optional<std::vector<std::size_t>> choose_within(std::span<const std::vector<Offer>> items,
                                                      std::int64_t budget, std::int64_t cells) {
  std::vector<std::vector<Kept>> lists;
  for (const std::vector<Offer>& item : items) {
    if (item.empty()) return std::nullopt;
    lists.push_back(useful(item));
    budget -= item[lists.back().front().place].cost;
  }
  if (budget < 0) return std::nullopt;
  const std::int64_t unit = std::max<std::int64_t>(1, (budget + cells - 1) / cells);
  const auto size = static_cast<std::size_t>(budget / unit) + 1;
  const auto units = [unit](std::int64_t extra) {
    return static_cast<std::size_t>((extra + unit - 1) / unit);
  };

  // best[c]: the least loss of the items so far that cost c units at most.
  std::vector<double> best(size, 0.0), next(size);
  std::vector<std::vector<std::uint16_t>> taken;
  for (const std::vector<Kept>& list : lists) {
    std::fill(next.begin(), next.end(), std::numeric_limits<double>::infinity());
    std::vector<std::uint16_t>& take = taken.emplace_back(size, std::uint16_t{0});
    for (std::size_t k = 0; k < list.size(); ++k) {
      const std::size_t cost = units(list[k].extra);
      for (std::size_t c = cost; c < size; ++c) {
        const double loss = best[c - cost] + list[k].loss;
        if (!(loss < next[c])) continue;
        next[c] = loss;
        take[c] = static_cast<std::uint16_t>(k);
      }
    }
    best.swap(next);
  }
  std::vector<std::size_t> chosen(lists.size());
  std::size_t left = size - 1;
  for (std::size_t i = lists.size(); i-- > 0;) {
    chosen[i] = taken[i][left];
    left -= units(lists[i][chosen[i]].extra);
    budget -= lists[i][chosen[i]].extra;
  }
  spend_rest(lists, budget, chosen);
  for (std::size_t i = 0; i < lists.size(); ++i) chosen[i] = lists[i][chosen[i]].place;
  return chosen;
}

}  // namespace anemll
