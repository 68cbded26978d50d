// Moments of one linear against their definition, and that threads change no bit of them.
#include "src/calib/moments.hpp"

#include "src/kernels/parallel.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

// fp32 products of 512 tokens: 2^-24 a term, and terms of both signs.
constexpr double kProductTolerance = 2e-6;

double apart(const at::Tensor& value, const at::Tensor& wanted) {
  return (value - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

struct Tokens {
  at::Tensor x = at::randn({700, 150}), other = at::randn({700, 70}), weights = at::rand({700});
};

bool same(const Moments& a, const Moments& b) {
  return at::equal(a.diagonal, b.diagonal) && at::equal(a.full, b.full) && at::equal(a.cross, b.cross) &&
         a.tokens == b.tokens && a.weight == b.weight && a.largest == b.largest;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_moments)

BOOST_AUTO_TEST_CASE(they_are_weighted_sums_of_products) {
  const Tokens t;
  Moments m(150, {true, 70});
  m.add(t.x, t.weights, t.other);
  const at::Tensor x = t.x.to(at::kDouble), o = t.other.to(at::kDouble);
  const at::Tensor w = t.weights.to(at::kDouble).unsqueeze(1);
  BOOST_TEST(apart(m.full, at::mm(x.t(), x * w)) < kProductTolerance);
  BOOST_TEST(apart(m.cross, at::mm(o.t(), x * w)) < kProductTolerance);
  BOOST_TEST(apart(m.diagonal, (x * x * w).sum(0)) < 1e-12);  // fp64 throughout
  BOOST_TEST(at::equal(m.full, m.full.t()));
  BOOST_TEST(at::equal(m.full.diagonal(), m.diagonal));
  BOOST_TEST(m.tokens == 700);
  BOOST_TEST(m.weight == t.weights.to(at::kDouble).sum().item<double>(), boost::test_tools::tolerance(1e-12));
  const at::Tensor squares = (x * x).sum(1, true);
  BOOST_TEST(m.plain_largest == squares.max().item<double>(), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(m.plain_trace == squares.sum().item<double>(), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(m.largest == (squares * w).max().item<double>(), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(m.trace() == m.diagonal.sum().item<double>(), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(threads_change_no_bit) {
  const Tokens t;
  Moments one(150, {true, 70}), four(150, {true, 70});
  kernels::set_threads(1);
  one.add(t.x, t.weights, t.other);
  kernels::set_threads(4);
  four.add(t.x, t.weights, t.other);
  kernels::set_threads(1);
  BOOST_TEST(same(one, four));
}

BOOST_AUTO_TEST_CASE(tokens_of_weight_0_leave_no_trace) {
  const Tokens t;
  at::Tensor weights = t.weights.clone();
  weights.narrow(0, 512, 188).zero_();  // what is left is one product
  Moments all(150, {true, 70}), part(150, {true, 70});
  all.add(t.x, weights, t.other);
  part.add(t.x.narrow(0, 0, 512), weights.narrow(0, 0, 512), t.other.narrow(0, 0, 512));
  BOOST_TEST(same(all, part));
  BOOST_TEST(all.tokens == 512);
}

BOOST_AUTO_TEST_CASE(parts_combine_and_are_scaled_to_a_mean_weight_of_1) {
  const Tokens t;
  Moments first(150, {true, 0}), second(150, {true, 0}), all(150, {true, 0});
  first.add(t.x.narrow(0, 0, 512), t.weights.narrow(0, 0, 512));
  second.add(t.x.narrow(0, 512, 188), t.weights.narrow(0, 512, 188));
  all.add(t.x, t.weights);
  first.combine(second);
  BOOST_TEST(at::equal(first.full.tril(-1), all.full.tril(-1)));  // the same products in the same order
  BOOST_TEST(first.tokens == all.tokens);
  const double before = all.trace() / all.weight;
  all.normalise();
  BOOST_TEST(all.weight == 700.0);
  BOOST_TEST(all.trace() / 700 == before, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(apart(all.full.diagonal(), all.diagonal) == 0);
}

BOOST_AUTO_TEST_CASE(without_a_weight_each_token_counts_1) {
  const Tokens t;
  Moments m(150, {});
  m.add(t.x);
  BOOST_TEST(m.weight == 700.0);
  BOOST_TEST(m.largest == m.plain_largest);
  BOOST_TEST(!m.full.defined());
  BOOST_TEST(m.trace() == m.plain_trace, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
