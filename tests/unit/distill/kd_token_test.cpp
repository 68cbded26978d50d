// The distillation terms of one token: reference values and finite differences.
#include "src/distill/kd_token.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(train_kd_token)

using anemll::kd_token_terms;
using anemll::KdTokenTerms;

BOOST_AUTO_TEST_CASE(kl_matches_the_reference_value) {
  const std::array<float, 4> student{2, 1, 0.5F, -1};
  const std::array<float, 4> teacher{3, 0.5F, 0, -2};
  // The reference printed an fp32 result; in double it is 0.3090837974.
  BOOST_TEST(std::abs(kd_token_terms(teacher, student, 2.0, 0.0, {}).kl - 0.30908406) < 4e-7);
  BOOST_TEST(std::abs(kd_token_terms(teacher, student, 2.0, 0.0, {}).kl - 0.3090837974445447) < 1e-14);
}

BOOST_AUTO_TEST_CASE(sampled_cross_entropy_is_that_of_candidate_zero) {
  const std::array<float, 4> student{2, 1, 0.5F, -1};
  const std::array<float, 2> teacher{3, 0.5F};
  // Candidates 2 and 3 are negatives; over all four this is the reference's cross-entropy to index 0.
  const KdTokenTerms terms = kd_token_terms(teacher, student, 2.0, 0.7, {});
  BOOST_TEST(std::abs(terms.sampled_ce - 0.49518189) < 1e-8);
}

BOOST_AUTO_TEST_CASE(equal_distributions_have_no_kl_and_no_slope) {
  const std::array<float, 3> logits{1.5F, 0.25F, -3};
  const std::array<float, 3> shifted{11.5F, 10.25F, 7};  // softmax ignores a common offset
  std::array<double, 3> slope{};
  BOOST_TEST(std::abs(kd_token_terms(logits, shifted, 2.0, 0.0, slope).kl) < 1e-14);
  for (const double s : slope) BOOST_TEST(std::abs(s) < 1e-14);
}

BOOST_AUTO_TEST_CASE(slope_agrees_with_finite_differences) {
  const std::vector<float> teacher{4, 2.5F, 1, -0.5F};
  const std::vector<float> student{1, 2, -1.5F, 0.25F, 3, -2};
  const double temperature = 1.7;
  const double weight = 0.4;
  std::vector<double> slope(student.size());
  kd_token_terms(teacher, student, temperature, weight, slope);
  const auto value = [&](std::size_t index, float delta) {
    std::vector<float> moved = student;
    moved[index] += delta;
    const KdTokenTerms terms = kd_token_terms(teacher, moved, temperature, weight, {});
    return terms.kl + weight * terms.sampled_ce;
  };
  // A step of 2^-7 is exact in fp32 here; the error of a central difference is of order step^2.
  const float step = 0.0078125F;
  for (std::size_t k = 0; k < student.size(); ++k) {
    const double difference = (value(k, step) - value(k, -step)) / (2.0 * double{step});
    BOOST_TEST(std::abs(difference - slope[k]) < 1e-4);
  }
}

BOOST_AUTO_TEST_CASE(a_candidate_the_teacher_excludes_adds_nothing) {
  const std::array<float, 3> teacher{1, 0, -std::numeric_limits<float>::infinity()};
  const std::array<float, 3> student{1, 0, -1};
  std::array<double, 3> slope{};
  const double kl = kd_token_terms(teacher, student, 1.0, 0.0, slope).kl;
  // KL(p || q) with q's first two entries scaled by the mass they hold: -log of that mass.
  const double mass = (std::exp(1.0) + 1.0) / (std::exp(1.0) + 1.0 + std::exp(-1.0));
  BOOST_TEST(std::abs(kl + std::log(mass)) < 1e-12);
  BOOST_TEST(std::abs(slope[2] - (1.0 - mass)) < 1e-12);
}

BOOST_AUTO_TEST_CASE(nan_reaches_the_terms) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::array<float, 3> clean{1, 0, -1};
  for (std::size_t k = 0; k < clean.size(); ++k) {
    std::array<float, 3> broken = clean;
    broken[k] = nan;
    BOOST_TEST(std::isnan(kd_token_terms(clean, broken, 2.0, 0.0, {}).kl));
    BOOST_TEST(std::isnan(kd_token_terms(broken, clean, 2.0, 0.0, {}).kl));
    BOOST_TEST(std::isnan(kd_token_terms(clean, broken, 2.0, 1.0, {}).sampled_ce));
  }
}

BOOST_AUTO_TEST_SUITE_END()
