// 16-bit floats as bit patterns: IEEE binary16 to and from float, rounding to nearest even, and bfloat16 to
// float. Portable and independent of the compiler's half types; bulk forms for arrays. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace anemll {

inline constexpr float kHalfMax = 65504.0F;

/// Exact.
float half_to_float(std::uint16_t bits);
/// Beyond the range: infinity. NaN stays NaN (quiet, its upper payload bits kept).
std::uint16_t float_to_half(float value);

/// Clamps to +-65504 instead of making an infinity, and counts in `clamped` every value it changed that way
/// (infinities included). NaN stays NaN and is not counted.
std::uint16_t float_to_half_saturating(float value, std::uint64_t& clamped);

/// Exact.
float bfloat16_to_float(std::uint16_t bits);

// Arrays of equal length; the saturating form returns the number of clamped values.
void float_to_half(std::span<const float> values, std::span<std::uint16_t> bits);
std::uint64_t float_to_half_saturating(std::span<const float> values, std::span<std::uint16_t> bits);

}  // namespace anemll
