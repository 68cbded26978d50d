// Conversions by bits for normal numbers and by exact float sums and products for subnormal ones.
#include "anemll/core/half.hpp"

#include <bit>
#include <cmath>

namespace anemll {
namespace {

constexpr std::uint32_t kFloatSign = 0x80000000U;
constexpr std::uint32_t kFloatInfinity = 0x7f800000U;
constexpr std::uint32_t kSmallestNormalHalf = 0x38800000U;  // 2^-14 as float bits
constexpr std::uint32_t kHalfOverflow = 0x477ff000U;        // 65520: halfway to 2^16 rounds away to infinity
constexpr std::uint32_t kExponentShift = (127U - 15U) << 23;

}  // namespace

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | kFloatInfinity | ((magnitude & 0x3ffU) << 13));
  if (magnitude >= 0x0400U) return std::bit_cast<float>(sign | ((magnitude << 13) + kExponentShift));
  // Zero and subnormals are a count of 2^-24; the product is exact.
  const float value = static_cast<float>(magnitude) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits & kFloatSign) >> 16;
  const std::uint32_t magnitude = bits & ~kFloatSign;
  std::uint32_t half = 0;
  if (magnitude > kFloatInfinity) {
    half = 0x7e00U | ((magnitude >> 13) & 0x3ffU);
  } else if (magnitude >= kHalfOverflow) {
    half = 0x7c00U;
  } else if (magnitude >= kSmallestNormalHalf) {
    // Adding just under half of the dropped part, and one more when the kept part is odd, rounds to even; a
    // carry moves into the exponent, as it must.
    const std::uint32_t odd = (magnitude >> 13) & 1U;
    half = (magnitude - kExponentShift + 0xfffU + odd) >> 13;
  } else {
    // In a sum with 0.5 the last bit of the float weighs 2^-24, the half's smallest step: the addition
    // rounds.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    half = std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5F);
  }
  return static_cast<std::uint16_t>(sign | half);
}

std::uint16_t float_to_half_saturating(float value, std::uint64_t& clamped) {
  const std::uint16_t half = float_to_half(value);
  if ((half & 0x7fffU) != 0x7c00U) return half;
  ++clamped;
  return static_cast<std::uint16_t>((half & 0x8000U) | 0x7bffU);
}

float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

void float_to_half(std::span<const float> values, std::span<std::uint16_t> bits) {
  for (std::size_t i = 0; i < values.size(); ++i) bits[i] = float_to_half(values[i]);
}

std::uint64_t float_to_half_saturating(std::span<const float> values, std::span<std::uint16_t> bits) {
  std::uint64_t clamped = 0;
  for (std::size_t i = 0; i < values.size(); ++i) bits[i] = float_to_half_saturating(values[i], clamped);
  return clamped;
}

}  // namespace anemll
