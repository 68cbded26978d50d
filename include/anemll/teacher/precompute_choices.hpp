// The few-word choices of anemll_precompute. Whose rules make the rows is compat.hpp.
#pragma once

#include "anemll/core/choices.hpp"
#include "anemll/core/compat.hpp"

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

}  // namespace anemll
