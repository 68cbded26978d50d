// What a student is trained on: the divergences from the teacher that there are.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

/// What `kl` of a loss is; p the teacher's distribution at the temperature, q the student's, K the cached
/// ids.
enum class KdObjective {
  topk,       ///< both renormalised inside K, as the reference does: student mass outside K costs nothing
  topk_tail,  ///< true p and q on K, and one bucket for all other ids: a lower bound of the divergence
  exact,      ///< KL(p || q) over the vocabulary, p recomputed from the teacher's hidden states
};

inline constexpr auto kKdObjectives = std::to_array<Choice<KdObjective>>({
    {KdObjective::topk, "topk"},
    {KdObjective::topk_tail, "topk-tail"},
    {KdObjective::exact, "exact"},
});
constexpr std::span<const Choice<KdObjective>> choices_of(KdObjective) {
  return kKdObjectives;
}

}  // namespace anemll
