// Every half and every bfloat16, all midpoints between neighbouring halves, and the values that saturate.
#include "anemll/core/half.hpp"

#include "src/core/rng.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {

using anemll::bfloat16_to_float;
using anemll::float_to_half;
using anemll::half_to_float;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The value of a half by definition, independent of the code under test.
double half_value(std::uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31U);
  const double fraction = bits & 1023U;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_half)

BOOST_AUTO_TEST_CASE(every_half_has_its_defined_value_and_comes_back) {
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = half_to_float(bits);
    const bool special = (i & 0x7c00U) == 0x7c00U;
    if (!special && (static_cast<double>(value) != half_value(i) || std::signbit(value) != (i >= 0x8000U)))
      ++wrong;
    if (special && (i & 0x3ffU) == 0 && value != (i >= 0x8000U ? -kInf : kInf)) ++wrong;
    if (special && (i & 0x3ffU) != 0) {
      // A NaN stays a NaN of the same sign; the way back makes it quiet.
      if (!std::isnan(value) || float_to_half(value) != (bits | 0x200U)) ++wrong;
    } else if (float_to_half(value) != bits) {
      ++wrong;
    }
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(midpoints_round_to_even_and_their_neighbours_to_the_nearer) {
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < 0x7c00; ++i) {
    // Above the largest half the next step would be 65536; from its midpoint on the result is infinity.
    const double upper = i == 0x7bff ? 65536.0 : half_value(i + 1);
    const auto middle = static_cast<float>((half_value(i) + upper) / 2);  // exact: 12 bits are enough
    const auto even = static_cast<std::uint16_t>((i & 1U) == 0 ? i : i + 1);
    for (const std::uint32_t sign : {0U, 0x8000U}) {
      const float s = sign == 0 ? 1.0F : -1.0F;
      wrong += float_to_half(s * middle) != (even | sign) ? 1U : 0U;
      wrong += float_to_half(s * std::nextafter(middle, 0.0F)) != (i | sign) ? 1U : 0U;
      wrong += float_to_half(s * std::nextafter(middle, kInf)) != ((i + 1) | sign) ? 1U : 0U;
    }
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(edges_of_the_range) {
  BOOST_TEST(float_to_half(65504.0F) == 0x7bff);
  BOOST_TEST(float_to_half(65519.996F) == 0x7bff);
  BOOST_TEST(float_to_half(65520.0F) == 0x7c00);
  BOOST_TEST(float_to_half(kInf) == 0x7c00);
  BOOST_TEST(float_to_half(-kInf) == 0xfc00);
  BOOST_TEST(float_to_half(-0.0F) == 0x8000);
  BOOST_TEST(float_to_half(0x1p-24F) == 0x0001);
  BOOST_TEST(float_to_half(0x1p-25F) == 0x0000);  // a tie with zero, which is even
  BOOST_TEST(float_to_half(std::nextafter(0x1p-25F, 1.0F)) == 0x0001);
  BOOST_TEST(float_to_half(std::numeric_limits<float>::denorm_min()) == 0x0000);
  BOOST_TEST(float_to_half(std::numeric_limits<float>::max()) == 0x7c00);
  BOOST_TEST(std::isnan(half_to_float(float_to_half(kNan))));
  // A NaN whose payload lies only in the dropped bits must not become an infinity.
  BOOST_TEST(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(0x7f800001U)))));
  // LUT entries of the reference, 16 levels.
  BOOST_TEST(float_to_half(1.0F / 15) == 0x2c44);
  BOOST_TEST(half_to_float(0x2c48) == 0.06689453125F);
}

BOOST_AUTO_TEST_CASE(random_floats_round_to_a_nearest_half) {
  const anemll::CounterRng rng(1, 0);
  std::size_t wrong = 0;
  for (std::uint64_t i = 0; i < 200000; ++i) {
    const auto value = static_cast<float>(
        std::ldexp(rng.uniform(2 * i) - 0.5, static_cast<int>(rng.below(2 * i + 1, 44)) - 27));
    const std::uint16_t h = float_to_half(value);
    if ((h & 0x7fffU) >= 0x7bffU) continue;  // no neighbour above
    const double error = std::abs(half_value(h) - static_cast<double>(value));
    const auto up = static_cast<std::uint16_t>(h + 1);
    if (error > std::abs(half_value(up) - static_cast<double>(value))) ++wrong;
    if ((h & 0x7fffU) != 0 && error > std::abs(half_value(h - 1U) - static_cast<double>(value))) ++wrong;
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(saturation_clamps_and_counts) {
  const std::vector<float> values = {1.0F, 65504.0F, 65519.0F, 65520.0F, -1e6F, kInf, -kInf, kNan, 0.0F};
  std::vector<std::uint16_t> bits(values.size());
  BOOST_TEST(anemll::float_to_half_saturating(values, bits) == 4u);
  const std::vector<std::uint16_t> expected = {0x3c00, 0x7bff, 0x7bff, 0x7bff, 0xfbff,
                                               0x7bff, 0xfbff, 0x7e00, 0};
  BOOST_TEST(bits == expected, boost::test_tools::per_element());
  BOOST_TEST(half_to_float(0x7bff) == anemll::kHalfMax);
  std::uint64_t count = 5;
  anemll::float_to_half_saturating(1e9F, count);
  BOOST_TEST(count == 6u);
}

BOOST_AUTO_TEST_CASE(a_bfloat16_is_the_upper_half_of_a_float) {
  std::size_t wrong = 0;
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const float value = bfloat16_to_float(static_cast<std::uint16_t>(i));
    wrong += std::bit_cast<std::uint32_t>(value) != i << 16 ? 1U : 0U;
  }
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(bfloat16_to_float(0x3fc0) == 1.5F);
}

BOOST_AUTO_TEST_CASE(arrays_equal_single_values) {
  const std::vector<float> values = {0.1F, -3.0F, 1e-7F};
  std::vector<std::uint16_t> h(3);
  anemll::float_to_half(values, h);
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(h[i] == float_to_half(values[i]));
}

BOOST_AUTO_TEST_SUITE_END()
