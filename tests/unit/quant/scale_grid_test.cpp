// Scales on an 8-bit grid: halves and codes hold the same values, what is on a grid stays, and positive
// scales stay positive.
#include "src/quant/scale_grid.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/positive_scales.hpp"
#include "src/quant/ste.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

// Half a step, and a step is at most 1/8 above what the largest entry asks for.
constexpr double kHalfStep = 0.5 * 1.125 / 127;

/// Factors like those of a start: one rank of one sign carries the mean, the others are small waves on it.
struct Factors {
  at::Tensor a, b;
};
Factors waves(std::int64_t out, std::int64_t in, std::int64_t rank, double size) {
  at::manual_seed(7);
  Factors f{at::randn({out, rank}).mul(size), at::randn({rank, in}).mul(0.05)};
  f.a.select(1, 0).fill_(3).add_(at::rand({out}));
  f.b.select(0, 0).fill_(0.05).add_(at::rand({in}).mul(0.02));
  return f;
}

bool same(const at::Tensor& x, const at::Tensor& y) {
  return x.sizes() == y.sizes() && x.eq(y).all().item<bool>();
}

double lowest(const at::Tensor& a, const at::Tensor& b) {
  return a.mm(b).min().item<double>();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scale_grid)

BOOST_AUTO_TEST_CASE(entries_are_within_half_a_step) {
  const Factors f = waves(40, 50, 4, 0.2);
  const GridScales made = to_scale_grid(f.a, f.b);
  const at::Tensor bound_a = f.a.abs().amax({0}, true).mul(kHalfStep),
                   bound_b = f.b.abs().amax({1}, true).mul(kHalfStep);
  BOOST_TEST(made.raised == 0);  // all scales are far above the bound
  BOOST_TEST(made.a.sub(f.a).abs().le(bound_a).all().item<bool>());
  BOOST_TEST(made.b.sub(f.b).abs().le(bound_b).all().item<bool>());
  BOOST_TEST(!same(made.a, f.a));
}

BOOST_AUTO_TEST_CASE(halves_and_codes_hold_the_same_values) {
  for (const double size : {1e-6, 1e-3, 0.2, 30.0}) {
    const Factors f = waves(33, 65, 3, size);
    const GridScales made = to_scale_grid(f.a, f.b);
    BOOST_TEST(same(round_half(made.a), made.a));
    BOOST_TEST(same(round_half(made.b), made.b));
    const auto a = grid_codes(round_half(made.a), 1), b = grid_codes(round_half(made.b), 0);
    BOOST_REQUIRE(a.has_value());
    BOOST_REQUIRE(b.has_value());
    BOOST_TEST(a->codes.abs().max().item<std::int64_t>() <= kGridLevels);
    BOOST_TEST(same(a->values(1), made.a));
    BOOST_TEST(same(b->values(0), made.b));
  }
}

BOOST_AUTO_TEST_CASE(what_is_on_a_grid_stays) {
  const Factors f = waves(20, 30, 4, 2.0);
  const GridScales once = to_scale_grid(f.a, f.b), twice = to_scale_grid(once.a, once.b);
  BOOST_TEST(same(once.a, twice.a));
  BOOST_TEST(same(once.b, twice.b));
  BOOST_TEST(twice.raised == 0);
  // Rounded by itself too: the steps of grid values are steps that they had, or finer ones that hold them.
  const auto codes = grid_codes(once.a, 1);
  BOOST_TEST(same(nearest_on_grid(once.a, codes->steps, 1), once.a));
}

BOOST_AUTO_TEST_CASE(positive_scales_stay_positive) {
  // Scales as low as the bound: rounding alone takes some under it.
  Factors f = waves(200, 150, 4, 0.4);
  const at::Tensor low = f.a.mm(f.b).amin(1);
  f.a.select(1, 0).sub_(low.div(f.b.select(0, 0).max())).add_(1e-4);  // every row nearly touches the bound
  f.a = f.a.index_select(0, f.a.mm(f.b).amin(1).ge(kSmallestPositiveScale).nonzero().view({-1}));
  BOOST_REQUIRE(f.a.size(0) > 50);
  BOOST_REQUIRE(lowest(f.a, f.b) < 0.02);
  const at::Tensor plain =
      nearest_on_grid(f.a, grid_steps(f.a, 1), 1).mm(nearest_on_grid(f.b, grid_steps(f.b, 0), 0));
  BOOST_TEST(plain.min().item<double>() < kSmallestPositiveScale);  // else this tests nothing
  const GridScales made = to_scale_grid(f.a, f.b);
  BOOST_TEST(lowest(made.a, made.b) >= kSmallestPositiveScale);
  BOOST_TEST(made.raised > 0);
  BOOST_TEST(grid_codes(made.a, 1).has_value());
  // A row moves by what rounding took, and not by more than a few times that.
  const double off =
      made.a.mm(made.b).sub(f.a.mm(f.b)).norm().item<double>() / f.a.mm(f.b).norm().item<double>();
  BOOST_TEST(off < 0.02);
}

BOOST_AUTO_TEST_CASE(a_column_that_rounds_to_nothing_keeps_a_step) {
  const at::Tensor a = at::tensor({1.0F, 2.0F}).view({2, 1});
  const at::Tensor b = at::tensor({1.0F, 1e-4F, 0.5F}).view({1, 3});  // 1e-4 is under half of a step of 1/127
  const GridScales made = to_scale_grid(a, b);
  BOOST_TEST(lowest(made.a, made.b) >= kSmallestPositiveScale);
  BOOST_TEST(made.b[0][1].item<float>() < 0.01F);
}

BOOST_AUTO_TEST_CASE(rows_with_negative_scales_are_only_rounded) {
  Factors f = waves(30, 40, 2, 0.1);
  f.a.select(0, 3).neg_();
  const GridScales made = to_scale_grid(f.a, f.b);
  BOOST_TEST(lowest(made.a.narrow(0, 3, 1), made.b) < 0);
  BOOST_TEST(lowest(made.a.narrow(0, 4, 26), made.b) > 0);
  const GridScales signs = to_scale_grid(f.a.neg(), f.b);  // no row is positive but one
  BOOST_TEST(lowest(signs.a.narrow(0, 3, 1), signs.b) > 0);
}

BOOST_AUTO_TEST_CASE(other_values_have_no_codes) {
  const at::Tensor x = at::tensor({0.25F, 0.5F, 63.75F}).view({1, 3});
  const auto codes = grid_codes(x, 0);
  BOOST_REQUIRE(!codes.has_value());  // 255 steps of 0.25
  BOOST_TEST(grid_codes(x.narrow(1, 0, 2), 0)->steps[0].item<float>() == 0.25F);
  BOOST_TEST(!grid_codes(at::tensor({1.0F / 3}).view({1, 1}), 0).has_value());
  BOOST_TEST(!grid_codes(at::full({1, 2}, std::numeric_limits<float>::quiet_NaN()), 0).has_value());
  BOOST_TEST(!grid_codes(at::full({1, 2}, 70000.0F), 0).has_value());
  const auto nothing = grid_codes(at::zeros({2, 3}), 0);
  BOOST_REQUIRE(nothing.has_value());
  BOOST_TEST(same(nothing->values(0), at::zeros({2, 3})));
}

BOOST_AUTO_TEST_CASE(scales_beyond_halves_are_refused) {
  const at::Tensor b = at::full({1, 2}, 1.0F);
  BOOST_CHECK_THROW(to_scale_grid(at::full({2, 1}, 1e6F), b), Error);
  BOOST_CHECK_THROW(to_scale_grid(at::full({2, 1}, std::numeric_limits<float>::infinity()), b), Error);
  const GridScales made = to_scale_grid(at::full({2, 1}, 65000.0F), b);
  BOOST_TEST(std::abs(made.a[0][0].item<float>() - 65000.0F) < 65000.0 * kHalfStep);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
