// What "agrees" means for a loss and its gradient, and how near each precision must come.
#pragma once

#include "tests/unit/distill/kd_case.hpp"

#include <cmath>

#include <ATen/ops/full_like.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// fp32 logits of size 10 carry errors of 1e-6; sums and gradients are of order 1 to 100.
constexpr double kFp32 = 5e-6;
/// bfloat16 logits of size 10 carry errors of 2e-2 each, which average out in sums; gradients see them
/// directly.
constexpr double kBf16Sums = 1e-2;
constexpr double kBf16Gradient = 4e-2;

using LossFunction = KdLossSums (*)(const at::Tensor&, const at::Tensor&, const KdTargets&,
                                    const KdLossOptions&, const at::Tensor&);

/// The sums, with and without a gradient asked for, and the gradient.
inline void check_case(LossFunction loss, const KdCase& kd, const KdExpected& expected,
                       const KdLossOptions& options, double sums_tolerance, double gradient_tolerance) {
  const at::Tensor gradient = at::full_like(kd.hidden, 1e9);  // must be overwritten
  for (const bool with_gradient : {true, false}) {
    const KdLossSums got =
        loss(kd.hidden, kd.head, kd.targets, options, with_gradient ? gradient : at::Tensor());
    const KdLossSums& want = expected.sums;
    const auto close = [&](double a, double b) { return std::abs(a - b) <= sums_tolerance * std::abs(b); };
    BOOST_TEST(close(got.kl, want.kl), "kl " << got.kl << " expected " << want.kl);
    BOOST_TEST(close(got.ce, want.ce), "ce " << got.ce << " expected " << want.ce);
    BOOST_TEST(close(got.sampled_ce, want.sampled_ce),
               "sampled " << got.sampled_ce << " expected " << want.sampled_ce);
    BOOST_TEST(close(got.total, want.total), "total " << got.total << " expected " << want.total);
    BOOST_TEST(got.tokens == want.tokens);
  }
  const double difference = relative_difference(gradient, expected.gradient);
  BOOST_TEST(difference <= gradient_tolerance, "gradient off by " << difference);
}

}  // namespace anemll::test
