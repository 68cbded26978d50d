// The few-word choices of anemll_precompute.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

namespace anemll {

/// --enable_thinking of the reference: which texts a conversation gives. See render_variants.
enum class Thinking { off, on, both, none, all };

inline constexpr auto kThinkings = std::to_array<Choice<Thinking>>({
    {Thinking::off, "false"},
    {Thinking::on, "true"},
    {Thinking::both, "both"},
    {Thinking::none, "none"},
    {Thinking::all, "all"},
});
constexpr std::span<const Choice<Thinking>> choices_of(Thinking) {
  return kThinkings;
}

/// The files of the cache.
enum class ShardFormat {
  hdf5,
  pt,  ///< the reference's
};

inline constexpr auto kShardFormats = std::to_array<Choice<ShardFormat>>({
    {ShardFormat::hdf5, "hdf5"},
    {ShardFormat::pt, "pt"},
});
constexpr std::span<const Choice<ShardFormat>> choices_of(ShardFormat) {
  return kShardFormats;
}

/// Whose rules make the rows.
enum class Compat {
  none,
  reference,  ///< the Python reference's, so that a cache can be compared with its own
};

inline constexpr auto kCompats = std::to_array<Choice<Compat>>({
    {Compat::none, "none"},
    {Compat::reference, "reference"},
});
constexpr std::span<const Choice<Compat>> choices_of(Compat) {
  return kCompats;
}

}  // namespace anemll
