// One choice for each of several items, of the least loss that a budget allows: the multiple-choice knapsack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace anemll {

/// What an item may be.
struct Offer {
  std::int64_t cost = 0;  ///< 0 or more
  double loss = 0;
};

/// The place of the chosen one in each item's list. Nothing where even the cheapest choices cost more than
/// the budget. Exact while the budget over the cheapest choices is at most `cells`. Above, costs are counted
/// in whole parts of it, rounded up, and what is left over then goes to the single changes that gain most. Of
/// equal losses the cheaper choice, then the first. Deterministic.
std::optional<std::vector<std::size_t>> choose_within(std::span<const std::vector<Offer>> items,
                                                      std::int64_t budget,
                                                      std::int64_t cells = std::int64_t{1} << 17);

}  // namespace anemll
