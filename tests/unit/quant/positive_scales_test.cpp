// Scales fitted anew without a negative entry: small matrices whose answer is known, and the properties of
// every fit.
#include "src/quant/positive_scales.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/ste.hpp"
#include "tests/unit/quant/support.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/index.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

// Products of doubles that are stored as floats.
constexpr double kExact = 1e-5;
// Two factors rounded to half, 2^-11 each, and sums that cancel.
constexpr double kHalves = 4e-3;

PositiveSource source_of(const std::vector<std::uint8_t>& indices, const at::Tensor& lut, const at::Tensor& a,
                         const at::Tensor& b, bool half) {
  at::Tensor codes = at::tensor(indices, at::kByte).view({a.size(0), b.size(1)});
  return {codes, lut, a, b, {}, half};
}

at::Tensor weight_of(const at::Tensor& indices, const at::Tensor& lut, const at::Tensor& a,
                     const at::Tensor& b) {
  return lut.index({indices.to(at::kLong)}).mul(a.mm(b));
}
at::Tensor weight_of(const PositiveSource& s) {
  return weight_of(s.indices, s.lut, s.a, s.b);
}
at::Tensor weight_of(const PositiveFit& fit, const at::Tensor& lut) {
  return weight_of(fit.indices, lut, fit.a, fit.b);
}

double lowest(const PositiveFit& fit) {
  return fit.a.mm(fit.b).min().item<double>();
}

/// Mostly positive scales of `rank`; a few entries are below zero.
PositiveSource noisy(std::int64_t out, std::int64_t in, std::int64_t rank, std::int64_t lut_size) {
  const at::Tensor a = at::randn({out, rank}).mul(0.3);
  const at::Tensor b = at::randn({rank, in});
  a.select(1, 0).fill_(1).add_(at::rand({out}).mul(0.2));
  b.select(0, 0).fill_(1).add_(at::rand({in}).mul(0.2));
  return {at::randint(0, lut_size, {out, in}, at::kByte), lut_tensor(lut_size), a, b, {}, true};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(PositiveScales)

BOOST_AUTO_TEST_CASE(a_flipped_entry_with_a_positive_scale_is_the_same_weight) {
  // S = (1, -2), W = (1, -2): the same with S = (1, 2) and the other entry of the table.
  const at::Tensor lut = floats({-1, 1}, {2});
  const auto source = source_of({1, 1}, lut, floats({1}, {1, 1}), floats({1, -2}, {1, 2}), false);
  const PositiveFit fit = fit_positive_scales(source);
  BOOST_TEST(fit.below == 1);
  BOOST_TEST(fit.recoded == 1);
  BOOST_TEST(lowest(fit) >= kSmallestPositiveScale);
  BOOST_TEST(relative_norm(weight_of(fit, lut), weight_of(source)) < kExact);
  // Clamped, the second weight of (1, -2) is lost.
  BOOST_CHECK_CLOSE(fit.squared_clamped, 4.0, 1e-6);
  BOOST_CHECK_CLOSE(fit.squared_weight, 5.0, 1e-6);
}

BOOST_AUTO_TEST_CASE(full_rank_scales_are_fitted_without_an_error) {
  // Two ranks hold any 2 x 2 matrix, so |S| with one flipped entry is exact.
  const at::Tensor lut = floats({-1, 1}, {2});
  const auto source =
      source_of({1, 1, 0, 1}, lut, floats({1, 0, 0, 1}, {2, 2}), floats({1, -0.25F, 0.5F, 1}, {2, 2}), false);
  const PositiveFit fit = fit_positive_scales(source);
  BOOST_TEST(fit.below == 1);
  BOOST_TEST(lowest(fit) >= kSmallestPositiveScale);
  BOOST_TEST(relative_norm(weight_of(fit, lut), weight_of(source)) < kExact);
}

BOOST_AUTO_TEST_CASE(scales_that_are_positive_stay_bit_for_bit) {
  const at::Tensor lut = lut_tensor(4);
  const auto source = source_of({0, 1, 2, 3}, lut, floats({1, 2}, {2, 1}), floats({3, 4}, {1, 2}), true);
  const PositiveFit fit = fit_positive_scales(source);
  BOOST_TEST(fit.below == 0);
  BOOST_TEST(fit.recoded == 0);
  BOOST_TEST(fit.squared_error == 0.0);
  BOOST_TEST(fit.a.equal(source.a));
  BOOST_TEST(fit.b.equal(source.b));
  BOOST_TEST(fit.indices.equal(source.indices));
}

BOOST_AUTO_TEST_CASE(every_scale_is_above_the_bound_as_it_is_stored) {
  for (const std::int64_t lut_size : {2, 4, 16}) {
    const PositiveSource source = noisy(48, 64, 6, lut_size);
    const PositiveFit fit = fit_positive_scales(source);
    BOOST_TEST_CONTEXT(lut_size << " entries") {
      BOOST_TEST(fit.below > 0);
      BOOST_TEST(lowest(fit) >= kSmallestPositiveScale);
      BOOST_TEST(fit.a.equal(round_half(fit.a)));
      BOOST_TEST(fit.b.equal(round_half(fit.b)));
      BOOST_TEST(fit.a.size(1) == 6);
      // What it says is what it did.
      const at::Tensor difference = (weight_of(fit, source.lut) - weight_of(source)).to(at::kDouble);
      BOOST_CHECK_CLOSE(fit.squared_error, difference.square().sum().item<double>(), 0.1);
      BOOST_TEST(fit.recoded == fit.indices.ne(source.indices).sum().item<std::int64_t>());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_fit_is_nearer_than_rows_that_are_merely_raised) {
  const PositiveSource source = noisy(48, 64, 6, 4);
  const PositiveFit fit = fit_positive_scales(source);
  // The plain way: each row plus as much of the mean row as its lowest scale needs.
  const at::Tensor direction = source.a.mean(0, true);
  const at::Tensor missing =
      at::full({1, 1}, 2 * kSmallestPositiveScale).sub(source.a.mm(source.b)).div(direction.mm(source.b));
  BOOST_REQUIRE(direction.mm(source.b).min().item<float>() > 0);
  const at::Tensor raised = source.a + missing.amax(1, true).clamp_min(0) * direction;
  const at::Tensor weight = weight_of(source);
  const double plain =
      (weight_of(source.indices, source.lut, raised, source.b) - weight).square().sum().item<double>();
  BOOST_TEST(fit.squared_error < plain / 2);
}

BOOST_AUTO_TEST_CASE(columns_count_as_they_are_weighed) {
  PositiveSource source = noisy(48, 64, 6, 4);
  const PositiveFit even = fit_positive_scales(source);
  source.column_weight = at::ones({64});
  const PositiveFit same = fit_positive_scales(source);
  BOOST_TEST(same.a.equal(even.a));
  BOOST_TEST(same.indices.equal(even.indices));
  source.column_weight.narrow(0, 0, 32).fill_(1000);
  const PositiveFit fit = fit_positive_scales(source);
  BOOST_TEST(lowest(fit) >= kSmallestPositiveScale);
  const auto weighed = [&](const at::Tensor& x) {
    return x.to(at::kDouble).square().mul(source.column_weight).sum().item<double>();
  };
  BOOST_CHECK_CLOSE(fit.squared_weight, weighed(weight_of(source)), 0.1);
  BOOST_CHECK_CLOSE(fit.squared_error, weighed(weight_of(fit, source.lut) - weight_of(source)), 0.1);
  // By its own weights it is at least as near as a fit that does not know them.
  BOOST_TEST(fit.squared_error <= weighed(weight_of(even, source.lut) - weight_of(source)) * (1 + 1e-6));
}

BOOST_AUTO_TEST_CASE(scales_that_are_mostly_negative_are_turned) {
  const at::Tensor lut = lut_tensor(4);
  const at::Tensor a = floats({1, 2, 3}, {3, 1});
  const auto source = source_of({0, 1, 2, 3, 0, 1}, lut, a, floats({-1, -2}, {1, 2}), true);
  const PositiveFit fit = fit_positive_scales(source);
  BOOST_TEST(fit.below == 6);
  BOOST_TEST(fit.recoded == 6);
  BOOST_TEST(lowest(fit) >= kSmallestPositiveScale);
  BOOST_TEST(relative_norm(weight_of(fit, lut), weight_of(source)) < kHalves);
}

BOOST_AUTO_TEST_CASE(what_is_no_number_is_an_error) {
  const at::Tensor lut = lut_tensor(4);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto source = source_of({0, 1}, lut, floats({1}, {1, 1}), floats({nan, -1}, {1, 2}), true);
  BOOST_CHECK_EXCEPTION(fit_positive_scales(source), Error,
                        [](const Error& e) { return e.code() == ExitCode::numerics; });
}

BOOST_AUTO_TEST_CASE(non_negative_factors_have_no_negative_entry_and_find_such_a_product) {
  const at::Tensor a = at::rand({30, 3}).add(0.05), b = at::rand({3, 20}).add(0.05);
  const at::Tensor m = a.mm(b);
  const NonNegativeFactors made = non_negative_factors(m, 3);
  BOOST_TEST(made.a.min().item<float>() >= 0.0F);
  BOOST_TEST(made.b.min().item<float>() >= 0.0F);
  // The product of the means is off by more.
  const at::Tensor means = m.mean(1, true).mul(m.mean(0, true)).div(m.mean());
  const double rank_one = relative_norm(means, m);
  BOOST_TEST(relative_norm(made.a.mm(made.b), m) < 0.7 * rank_one);
  // One rank of a product of one rank is exact.
  const at::Tensor one = a.narrow(1, 0, 1).mm(b.narrow(0, 0, 1));
  const NonNegativeFactors single = non_negative_factors(one, 1);
  BOOST_TEST(relative_norm(single.a.mm(single.b), one) < kExact);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
