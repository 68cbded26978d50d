// How much a token counts in moments. The first token of a sequence can hold nearly all of a trace: its
// residual is up to 177 times that of others in real models, and without weights the moments would describe
// it alone.
#pragma once

#include "anemll/core/choices.hpp"

#include <array>
#include <span>

#include <ATen/core/Tensor.h>

namespace anemll {

enum class TokenWeight {
  norm,    ///< 1 / squared norm of the block's output: errors count relative to what they are added to
  fisher,  ///< squared gradients of the loss by the linear's outputs: token_weigher.hpp
  none,
};

inline constexpr auto kTokenWeights = std::to_array<Choice<TokenWeight>>({
    {TokenWeight::norm, "norm"},
    {TokenWeight::fisher, "fisher"},
    {TokenWeight::none, "none"},
});
constexpr std::span<const Choice<TokenWeight>> choices_of(TokenWeight) {
  return kTokenWeights;
}

/// The share of a trace that one token may hold.
inline constexpr double kTokenCap = 0.05;

/// The weights of the tokens of a block whose outputs (the residual stream behind it) are [N, H] fp32: [N]
/// fp32, in natural units. `norm` and `none` alone.
/// mask: [N] uint8, 0 for tokens that do not count; undefined: all do. Undefined where each token counts 1.
at::Tensor token_weights(TokenWeight kind, const at::Tensor& outputs, const at::Tensor& mask = {});

/// The level at which contributions to a trace are cut, so that none holds more than `cap` of what is then
/// the sum: of `candidates`, in any order, and of `rest`, the sum of others that are all below the level.
/// Infinite when nothing is to be cut. Fewer than 1 / cap tokens cannot all hold less: they are cut to the
/// smallest of them that is not 0, when there is no rest.
double cap_level(std::span<const double> candidates, double rest, double cap = kTokenCap);

}  // namespace anemll
