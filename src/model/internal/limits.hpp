// Bounds on what a model may say of itself, whatever file says it. Larger numbers are faults, and products of
// two sizes fit 64 bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anemll {

constexpr std::int64_t kMaxWidth = std::int64_t{1} << 22;
constexpr std::int64_t kMaxVocab = std::int64_t{1} << 26;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 32;
constexpr double kMaxTheta = 1e12;
constexpr double kMaxRopeFactor = 1e6;

/// Bytes of a value in a message.
constexpr std::size_t kShownValue = 80;

}  // namespace anemll
