// The numbers that need more than one word or a branch.
#include "src/core/rng.hpp"

#include <cmath>

namespace anemll {

double CounterRng::normal(std::uint64_t index) const {
  // Box and Muller with two words of this index; 1 - u lies in (0, 1], so the logarithm is finite.
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  const double radius = std::sqrt(-2 * std::log(1 - uniform(index)));
  const double angle = kTwoPi * (static_cast<double>(mix64(bits(index) ^ key_) >> 11) * 0x1p-53);
  return radius * std::cos(angle);
}

std::uint64_t CounterRng::below(std::uint64_t index, std::uint64_t n) const {
  if (n == 0) return 0;
  // Words under 2^64 mod n would favour small results; they are replaced, which is rare (probability n /
  // 2^64).
  const std::uint64_t uneven = (0 - n) % n;
  std::uint64_t word = bits(index);
  while (word < uneven) word = mix64(word + kGolden);
  return word % n;
}

}  // namespace anemll
