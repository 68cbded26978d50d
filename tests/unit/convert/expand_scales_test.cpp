// Scales of another rank: what stays, what is new, what it depends on.
#include "src/convert/internal/expand_scales.hpp"

#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

constexpr std::int64_t kOut = 40, kIn = 60;

ScaleSet scales(const std::vector<float>& g) {
  const auto rank = static_cast<std::int64_t>(g.size());
  return {at::randn({kOut, rank}), at::randn({rank, kIn}), at::tensor(g, at::kFloat)};
}

bool equal(const ScaleSet& x, const ScaleSet& y) {
  return x.a.equal(y.a) && x.b.equal(y.b) && x.g.equal(y.g);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(expand)

BOOST_AUTO_TEST_CASE(old_components_stay_and_new_ones_are_small) {
  const ScaleSet old = scales({3, -2, 1, 0.5F});
  const ScaleSet more = with_rank(old, 32, 7, 0, false);
  BOOST_TEST(more.a.narrow(1, 0, 4).equal(old.a));
  BOOST_TEST(more.b.narrow(0, 0, 4).equal(old.b));
  BOOST_TEST(more.g.narrow(0, 0, 4).equal(old.g));
  BOOST_TEST(more.g.narrow(0, 4, 28).equal(at::full({28}, 0.01, at::kFloat)));
  // 1120 and 1680 normal numbers of size 0.01: their deviation is known to 2 %, four times that is allowed.
  constexpr double kDeviation = 0.08;
  constexpr double kMean = 0.15;  // of their size, five times what it is known to
  for (const at::Tensor& part : {more.a.narrow(1, 4, 28), more.b.narrow(0, 4, 28)}) {
    BOOST_TEST(std::abs(part.std().item<double>() / 0.01 - 1) < kDeviation);
    BOOST_TEST(std::abs(part.mean().item<double>()) < 0.01 * kMean);
  }
  // Each is a direction of its own.
  const at::Tensor directions = more.a.narrow(1, 4, 28) / more.a.narrow(1, 4, 28).norm(2, {0}, true);
  const at::Tensor products = directions.t().mm(directions).abs().fill_diagonal_(0);
  BOOST_TEST(products.max().item<double>() < 0.8);
}

BOOST_AUTO_TEST_CASE(new_directions_depend_on_seed_and_linear_alone) {
  const ScaleSet old = scales({1, 1});
  BOOST_TEST(equal(with_rank(old, 6, 7, 3, false), with_rank(old, 6, 7, 3, true)));
  BOOST_TEST(!equal(with_rank(old, 6, 7, 3, false), with_rank(old, 6, 8, 3, false)));
  BOOST_TEST(!equal(with_rank(old, 6, 7, 3, false), with_rank(old, 6, 7, 4, false)));
  BOOST_TEST(equal(with_rank(old, 2, 7, 3, false), old));
}

BOOST_AUTO_TEST_CASE(of_fewer_the_largest_or_the_first_stay) {
  const ScaleSet old = scales({0.5F, -3, 1, 2});
  const ScaleSet largest = with_rank(old, 2, 0, 0, false);
  BOOST_TEST(largest.g.equal(at::tensor({-3.0F, 2.0F})));
  BOOST_TEST(largest.a.equal(at::cat({old.a.narrow(1, 1, 1), old.a.narrow(1, 3, 1)}, 1)));
  BOOST_TEST(largest.b.equal(at::cat({old.b.narrow(0, 1, 1), old.b.narrow(0, 3, 1)}, 0)));
  const ScaleSet first = with_rank(old, 2, 0, 0, true);
  BOOST_TEST(first.g.equal(at::tensor({0.5F, -3.0F})));
  BOOST_TEST(first.a.equal(old.a.narrow(1, 0, 2)));
}

BOOST_AUTO_TEST_SUITE_END()
