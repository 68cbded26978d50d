// The row loops of the loss: accuracy of the vectorised exp, sums, rounding to bfloat16, ragged ends.
#include "src/kernels/head_loss_cpu.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <c10/util/BFloat16.h>

BOOST_AUTO_TEST_SUITE(kernels_head_loss)

using anemll::kernels::Bf16;
using anemll::kernels::SoftmaxStats;

namespace {

/// exp_fast documents 2 ulp; the exact value is rounded once more here.
constexpr double kExpUlp = 2.5;

std::vector<float> normals(std::size_t size, float deviation, unsigned seed = 3) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> out(size);
  for (float& value : out) value = normal(engine);
  return out;
}

std::vector<Bf16> to_bf16(const std::vector<float>& values) {
  std::vector<Bf16> out;
  for (const float value : values) out.push_back({c10::BFloat16(value).x});
  return out;
}

float widen(Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}

/// Sizes around the lane count, the block of the sum and a real vocabulary.
constexpr std::size_t kSizes[] = {1, 5, 31, 32, 33, 63, 100, 4095, 4096, 4097, 49152};

double ulp(double exact) {
  const auto value = static_cast<float>(exact);
  return double{std::nextafter(value, std::numeric_limits<float>::infinity())} - double{value};
}

}  // namespace

BOOST_AUTO_TEST_CASE(exp_is_within_two_ulp) {
  std::vector<float> in;
  for (float x = -87.0F; x <= 87.0F; x += 0.0137F) in.push_back(x);
  std::vector<float> out = in;
  anemll::kernels::scaled_exp_in_place(std::span<float>(out), 0.0F, 1.0F);
  double worst = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double exact = std::exp(double{in[i]});
    worst = std::max(worst, std::abs(double{out[i]} - exact) / ulp(exact));
  }
  BOOST_TEST(worst < kExpUlp);
}

BOOST_AUTO_TEST_CASE(stats_agree_with_double_for_every_size) {
  for (const std::size_t size : kSizes) {
    const std::vector<float> row = normals(size, 5);
    const float max = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float value : row) sum += std::exp(double{value} - double{max});
    const SoftmaxStats stats = anemll::kernels::softmax_stats(std::span<const float>(row));
    BOOST_TEST(stats.max == max);
    BOOST_TEST(std::abs(stats.sum / sum - 1) < 1e-6);

    const std::vector<Bf16> low = to_bf16(row);
    double low_sum = 0;
    const float low_max = c10::BFloat16(max);
    for (const Bf16 value : low) low_sum += std::exp(double{widen(value)} - double{low_max});
    const SoftmaxStats low_stats = anemll::kernels::softmax_stats(std::span<const Bf16>(low));
    BOOST_TEST(low_stats.max == low_max);
    BOOST_TEST(std::abs(low_stats.sum / low_sum - 1) < 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_make_the_sum_nan_wherever_they_are) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{40}, std::size_t{99}}) {
      std::vector<float> row = normals(100, 1);
      row[at] = bad;
      BOOST_TEST(std::isnan(anemll::kernels::softmax_stats(std::span<const float>(row)).sum));
      const std::vector<Bf16> low = to_bf16(row);
      BOOST_TEST(std::isnan(anemll::kernels::softmax_stats(std::span<const Bf16>(low)).sum));
    }
  }
}

BOOST_AUTO_TEST_CASE(scaled_exp_rounds_like_the_library_type) {
  for (const std::size_t size : kSizes) {
    const std::vector<Bf16> before = to_bf16(normals(size, 4));
    std::vector<float> wide;
    for (const Bf16 value : before) wide.push_back(widen(value));
    std::vector<Bf16> low = before;
    anemll::kernels::scaled_exp_in_place(std::span<Bf16>(low), 3.0F, 0.2F);
    anemll::kernels::scaled_exp_in_place(std::span<float>(wide), 3.0F, 0.2F);
    std::size_t differing = 0;
    for (std::size_t i = 0; i < size; ++i) differing += low[i].bits != c10::BFloat16(wide[i]).x ? 1U : 0U;
    // The fp32 loop is contracted like the bfloat16 one; both see the same inputs.
    BOOST_TEST(differing == 0U);
    for (std::size_t i = 0; i < size; ++i) {
      const double exact = 0.2 * std::exp(double{widen(before[i])} - 3.0);
      BOOST_REQUIRE(std::abs(double{wide[i]} - exact) <= 4 * ulp(exact));
    }
  }
}

BOOST_AUTO_TEST_CASE(dot_and_add_scaled_for_every_size) {
  for (const std::size_t size : kSizes) {
    const std::vector<float> a = normals(size, 1, 1);
    const std::vector<float> b = normals(size, 1, 2);
    const std::vector<Bf16> low = to_bf16(b);
    double exact = 0;
    double exact_low = 0;
    double magnitude = 0;
    for (std::size_t i = 0; i < size; ++i) {
      exact += double{a[i]} * double{b[i]};
      exact_low += double{a[i]} * double{widen(low[i])};
      magnitude += std::abs(double{a[i]} * double{b[i]});
    }
    BOOST_TEST(std::abs(double{anemll::kernels::dot(a, std::span<const float>(b))} - exact) <=
               1e-6 * magnitude);
    BOOST_TEST(std::abs(double{anemll::kernels::dot(a, std::span<const Bf16>(low))} - exact_low) <=
               1e-6 * magnitude);

    std::vector<float> y = a;
    std::vector<float> y_low = a;
    anemll::kernels::add_scaled(y, 0.5F, std::span<const float>(b));
    anemll::kernels::add_scaled(y_low, 0.5F, std::span<const Bf16>(low));
    for (std::size_t i = 0; i < size; ++i) {
      BOOST_REQUIRE(std::abs(y[i] - (a[i] + 0.5F * b[i])) <= 1e-6F);
      BOOST_REQUIRE(std::abs(y_low[i] - (a[i] + 0.5F * widen(low[i]))) <= 1e-6F);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
