// Weights of tokens, and the level that no token may exceed.
#include "src/calib/token_weights.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

constexpr double kRounding = 1e-12;

double capped_sum(const std::vector<double>& values, double level, double rest) {
  double sum = rest;
  for (const double v : values) sum += std::min(v, level);
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_token_weights)

BOOST_AUTO_TEST_CASE(norm_weighs_errors_relative_to_the_output) {
  at::Tensor outputs = at::randn({10, 64});
  outputs[0].mul_(177);  // position 0 of a sequence
  const at::Tensor weights = token_weights(TokenWeight::norm, outputs);
  const at::Tensor products = weights * outputs.square().sum(1);
  BOOST_TEST((products - 1).abs().max().item<double>() < 1e-5);  // fp32
}

BOOST_AUTO_TEST_CASE(masked_tokens_weigh_nothing) {
  const at::Tensor outputs = at::randn({3, 8});
  at::Tensor mask = at::ones({3}, at::kByte);
  mask[1] = 0;
  BOOST_TEST(!token_weights(TokenWeight::none, outputs).defined());
  for (const TokenWeight kind : {TokenWeight::norm, TokenWeight::none}) {
    const at::Tensor weights = token_weights(kind, outputs, mask);
    BOOST_TEST(weights[1].item<float>() == 0.0F);
    BOOST_TEST(weights[0].item<float>() > 0.0F);
  }
}

BOOST_AUTO_TEST_CASE(an_output_of_zeros_has_a_finite_weight) {
  const at::Tensor weights = token_weights(TokenWeight::norm, at::zeros({2, 4}));
  BOOST_TEST(std::isfinite(weights[0].item<float>()));
}

BOOST_AUTO_TEST_CASE(nothing_is_cut_where_no_token_holds_too_much) {
  const std::vector<double> even(40, 1.0);
  BOOST_TEST(std::isinf(cap_level(even, 0)));
  BOOST_TEST(std::isinf(cap_level({}, 5)));
  BOOST_TEST(std::isinf(cap_level(std::vector<double>{5.0}, 95)));
}

BOOST_AUTO_TEST_CASE(the_largest_hold_exactly_the_cap_of_what_is_left) {
  for (const std::vector<double>& heavy :
       {std::vector<double>{1000}, {1000, 500}, {1e9, 7, 3, 900, 20}, {5.3}}) {
    const double rest = 100;
    const double level = cap_level(heavy, rest);
    BOOST_REQUIRE(std::isfinite(level));
    const double sum = capped_sum(heavy, level, rest);
    BOOST_TEST(level / sum == kTokenCap, boost::test_tools::tolerance(kRounding));
    BOOST_TEST(*std::max_element(heavy.begin(), heavy.end()) > level);
  }
}

BOOST_AUTO_TEST_CASE(a_few_tokens_alone_count_alike) {
  // Three tokens cannot hold 5% each: they are cut to the smallest.
  BOOST_TEST(cap_level(std::vector<double>{100, 2, 50, 0}, 0) == 2.0);
}

BOOST_AUTO_TEST_CASE(more_tokens_only_raise_the_level) {
  std::vector<double> values;
  double last = 0;
  for (int i = 0; i < 200; ++i) {
    values.push_back(std::pow(1.7, (i * 37) % 23));
    const double level = cap_level(values, 0);
    if (i < 20) continue;  // as many as the cap needs
    BOOST_TEST(level >= last);
    last = level;
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
