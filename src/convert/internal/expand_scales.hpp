// Scale factors of another rank: components are added with a magnitude that hardly shows, or the least are
// left out.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Magnitude of a new component, and size of the random numbers that give its direction. The directions are
/// normalised when they are used, so only the former shows in the scales.
inline constexpr double kNewMagnitude = 0.01;
inline constexpr double kNewDirection = 0.01;

struct ScaleSet {
  at::Tensor a, b, g;  ///< float [out, r], [r, in], [r] on the CPU
};

/// `rank` components. New ones are pure functions of (seed, stream). Of fewer: the largest |g| in their
/// order, or with `first` the first ones.
ScaleSet with_rank(const ScaleSet& scales, std::int64_t rank, std::uint64_t seed, std::uint64_t stream,
                   bool first);

}  // namespace anemll
