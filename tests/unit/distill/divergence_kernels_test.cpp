// The loops over two rows of logits, against double, for every shape of a row's end.
#include "src/kernels/divergence_cpu.hpp"
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

BOOST_AUTO_TEST_SUITE(kernels_divergence)

using anemll::kernels::Bf16;
using anemll::kernels::PairStats;

namespace {

constexpr std::size_t kSizes[] = {1, 5, 31, 32, 33, 100, 4095, 4096, 4097, 49152};
/// Sums of fp32 exponentials, each within 2 ulp.
constexpr double kSums = 1e-6;

std::vector<float> normals(std::size_t size, float deviation, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> out(size);
  for (float& value : out) value = c10::BFloat16(normal(engine));  // both storage types hold the same values
  return out;
}

std::vector<Bf16> to_bf16(const std::vector<float>& values) {
  std::vector<Bf16> out;
  for (const float value : values) out.push_back({c10::BFloat16(value).x});
  return out;
}

/// softmax(scale * row)
std::vector<double> softmax(const std::vector<double>& row, double scale) {
  const double max = *std::max_element(row.begin(), row.end());
  std::vector<double> out;
  double sum = 0;
  for (const double x : row) sum += out.emplace_back(std::exp(scale * (x - max)));
  for (double& x : out) x /= sum;
  return out;
}

struct Rows {
  std::vector<float> teacher, difference;
  std::vector<double> p, q, plain;
  double kl = 0;

  Rows(std::size_t size, double scale) : teacher(normals(size, 4, 5)), difference(normals(size, 2, 6)) {
    std::vector<double> t(teacher.begin(), teacher.end());
    std::vector<double> z = t;
    for (std::size_t i = 0; i < size; ++i)
      z[i] += double{difference[i]} + 50;  // an offset that must not show
    for (float& d : difference) d += 50;
    p = softmax(t, scale);
    q = softmax(z, scale);
    plain = softmax(z, 1);
    for (std::size_t i = 0; i < size; ++i) kl += p[i] * (std::log(p[i]) - std::log(q[i]));
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(stats_and_slopes_agree_with_double) {
  for (const std::size_t size : kSizes) {
    for (const float scale : {1.0F, 0.5F}) {
      const Rows rows(size, double{scale});
      const PairStats stats = anemll::kernels::pair_stats(
          std::span<const float>(rows.teacher), std::span<const float>(rows.difference), scale, true);
      BOOST_TEST(std::abs(stats.divergence() - rows.kl) <= 1e-5 * (rows.kl + 1e-3));
      BOOST_TEST(stats.teacher_max == *std::max_element(rows.teacher.begin(), rows.teacher.end()));
      const PairStats bare = anemll::kernels::pair_stats(
          std::span<const float>(rows.teacher), std::span<const float>(rows.difference), scale, false);
      BOOST_TEST(bare.plain_sum == 0.0);
      BOOST_TEST(bare.divergence() == stats.divergence());
      for (const float hard : {0.0F, 0.2F}) {
        std::vector<float> slopes = rows.difference;
        anemll::kernels::pair_slopes_in_place(rows.teacher, std::span<float>(slopes), stats, scale, 2.0F,
                                              hard);
        double worst = 0;
        for (std::size_t i = 0; i < size; ++i) {
          const double want = 2 * (rows.q[i] - rows.p[i]) + double{hard} * rows.plain[i];
          worst = std::max(worst, std::abs(double{slopes[i]} - want));
        }
        // Logits of 50 carry errors of 4e-6, probabilities that relative error.
        BOOST_TEST(worst < 2e-5);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(bfloat16_rows_hold_the_same_numbers) {
  for (const std::size_t size : kSizes) {
    const std::vector<float> teacher = normals(size, 4, 7);
    const std::vector<float> difference = normals(size, 1, 8);
    const std::vector<Bf16> low_teacher = to_bf16(teacher);
    const std::vector<Bf16> low_difference = to_bf16(difference);
    const PairStats wide = anemll::kernels::pair_stats(std::span<const float>(teacher),
                                                       std::span<const float>(difference), 0.5F, true);
    const PairStats low = anemll::kernels::pair_stats(std::span<const Bf16>(low_teacher),
                                                      std::span<const Bf16>(low_difference), 0.5F, true);
    BOOST_TEST(wide.divergence() == low.divergence());
    BOOST_TEST(wide.plain_sum == low.plain_sum);
    std::vector<float> slopes = difference;
    std::vector<Bf16> low_slopes = low_difference;
    anemll::kernels::pair_slopes_in_place(teacher, std::span<float>(slopes), wide, 0.5F, 1.0F, 0.2F);
    anemll::kernels::pair_slopes_in_place(std::span<const Bf16>(low_teacher), std::span<Bf16>(low_slopes),
                                          low, 0.5F, 1.0F, 0.2F);
    std::size_t differing = 0;
    for (std::size_t i = 0; i < size; ++i)
      differing += low_slopes[i].bits != c10::BFloat16(slopes[i]).x ? 1U : 0U;
    BOOST_TEST(differing == 0U);
  }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_make_the_divergence_nan) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{40}, std::size_t{99}}) {
      for (const bool in_teacher : {true, false}) {
        std::vector<float> teacher = normals(100, 1, 9);
        std::vector<float> difference = normals(100, 1, 10);
        (in_teacher ? teacher : difference)[at] = bad;
        BOOST_TEST(std::isnan(anemll::kernels::pair_stats(std::span<const float>(teacher),
                                                          std::span<const float>(difference), 1.0F, false)
                                  .divergence()));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(scaled_sums_and_mixed_exponentials) {
  for (const std::size_t size : kSizes) {
    const std::vector<float> row = normals(size, 4, 12);
    const float max = anemll::kernels::row_max(std::span<const float>(row));
    BOOST_TEST(max == *std::max_element(row.begin(), row.end()));
    const std::vector<Bf16> low = to_bf16(row);
    for (const float scale : {1.0F, 0.5F, 2.0F}) {
      double sum = 0;
      for (const float x : row) sum += std::exp(double{scale} * (double{x} - double{max}));
      BOOST_TEST(std::abs(anemll::kernels::exp_sum(std::span<const float>(row), max, scale) / sum - 1) <
                 kSums);
      BOOST_TEST(std::abs(anemll::kernels::exp_sum(std::span<const Bf16>(low), max, scale) / sum - 1) <
                 kSums);
      for (const float plain : {0.0F, 0.3F}) {
        std::vector<float> mixed = row;
        anemll::kernels::mixed_exp_in_place(std::span<float>(mixed), max, scale, -1.5F, plain);
        double worst = 0;
        for (std::size_t i = 0; i < size; ++i) {
          const double x = double{row[i]} - double{max};
          const double want = -1.5 * std::exp(double{scale} * x) + double{plain} * std::exp(x);
          worst = std::max(worst, std::abs(double{mixed[i]} - want));
        }
        BOOST_TEST(worst < 1e-6);
        std::vector<Bf16> rounded = low;
        anemll::kernels::mixed_exp_in_place(std::span<Bf16>(rounded), max, scale, -1.5F, plain);
        std::size_t differing = 0;
        for (std::size_t i = 0; i < size; ++i)
          differing += rounded[i].bits != c10::BFloat16(mixed[i]).x ? 1U : 0U;
        BOOST_TEST(differing == 0U);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(subtraction) {
  std::vector<float> row = normals(101, 1, 13);
  const std::vector<float> before = row;
  const std::vector<float> other = normals(101, 1, 14);
  anemll::kernels::subtract_in_place(row, other);
  for (std::size_t i = 0; i < row.size(); ++i) BOOST_TEST(row[i] == before[i] - other[i]);
}

BOOST_AUTO_TEST_SUITE_END()
