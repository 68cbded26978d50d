// Each step against brute force or the plain formula.
#include "src/solve/internal/cholesky.hpp"
#include "tests/unit/solve/support.hpp"

#include <cmath>

#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cholesky_inverse.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

// Sums of floats against sums of doubles, relative to the sum.
constexpr double kFloatSums = 1e-5;
// A minimum by float arithmetic: the error is flat there, so a step off by 1e-4 costs 1e-8 of it.
constexpr double kMinimum = 1e-4;
constexpr double kDoubles = 1e-9;

double relative(const at::Tensor& x, const at::Tensor& expected) {
  return x.sub(expected).norm().item<double>() / expected.norm().item<double>();
}

/// The least error over x of |target - sum_k x_k parts[k]|^2 in the rows' weights and H: parts [n, out, in].
double least_error(const at::Tensor& parts, const at::Tensor& target, const at::Tensor& h,
                   const at::Tensor& counts) {
  const at::Tensor flat = parts.flatten(1);
  const at::Tensor weighed = parts.matmul(h).mul_(counts.unsqueeze(1)).flatten(1);
  const at::Tensor x = at::linalg_solve(flat.mm(weighed.t()), weighed.mv(target.flatten()));
  return error_of(target.sub(x.unsqueeze(0).mm(flat).view_as(target)), h, counts);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(steps)

BOOST_AUTO_TEST_CASE(large_factor_is_the_cholesky_factor) {
  for (const std::int64_t n : {1, 40, 128, 300}) {
    const at::Tensor x = at::randn({2 * n, n}, at::kDouble);
    const at::Tensor m = x.t().mm(x).add_(at::eye(n, at::kDouble));
    BOOST_TEST(relative(lower_factor(m), at::linalg_cholesky(m)) < kDoubles);
  }
}

BOOST_AUTO_TEST_CASE(small_systems_solve_and_drop_what_nothing_depends_on) {
  const at::Tensor x = at::randn({5, 9, 3}, at::kDouble);
  at::Tensor full = x.transpose(1, 2).bmm(x);
  full.select(0, 1).select(0, 2).zero_();
  full.select(0, 1).select(1, 2).zero_();
  const at::Tensor packed = at::zeros({5, packed_size(3)}, at::kDouble);
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = i; j < 3; ++j) packed.select(1, at++).copy_(full.select(1, i).select(1, j));
  }
  const at::Tensor right = at::randn({5, 3}, at::kDouble);
  const at::Tensor solved = SmallSystems(packed, 3, 0).solve(right);
  BOOST_TEST(std::abs(solved[1][2].item<double>()) < 1e-100);
  full.select(0, 1).select(0, 2)[2] = 1e300;
  BOOST_TEST(relative(solved, at::linalg_solve(full, right)) < kDoubles);
}

BOOST_AUTO_TEST_CASE(the_error_is_the_trace) {
  const Small small(130, 20, 2, 4, {});
  const OutputError told = output_error(small.rows);
  BOOST_TEST(std::abs(told.with_ridge / (small.parts().scale * small.error()) - 1) < kFloatSums);
  const at::Tensor e = small.wanted().sub(small.made()).index_select(1, small.parts().inverse);
  BOOST_TEST(std::abs(told.plain / error_of(e, small.second, small.counts()) - 1) < kFloatSums);
}

BOOST_AUTO_TEST_CASE(feedback_is_that_of_the_inverse_factor) {
  // Two blocks of columns and part of a third.
  Small small(7, 300, 2, 4, {});
  choose_by_feedback(small.rows);
  // Plain: quantise a column, spread its error over the later ones by the upper factor of the inverse.
  const std::int64_t in = 300;
  const at::Tensor h = small.second.div(small.parts().scale)
                           .index_select(0, small.parts().order)
                           .index_select(1, small.parts().order)
                           .add(at::eye(in, at::kDouble), 0.01);
  const at::Tensor u = at::linalg_cholesky(at::cholesky_inverse(at::linalg_cholesky(h))).t();
  at::Tensor w = small.wanted();
  const at::Tensor s = small.scales();
  const at::Tensor codes = at::zeros_like(small.codes());
  for (std::int64_t j = 0; j < in; ++j) {
    const at::Tensor far =
        w.select(1, j).unsqueeze(1).sub(s.select(1, j).unsqueeze(1).mul(small.lut())).abs();
    const at::Tensor code = far.argmin(1);
    codes.select(1, j).copy_(code);
    const at::Tensor e =
        w.select(1, j).sub(small.lut().index_select(0, code).mul_(s.select(1, j))).div_(u[j][j]);
    w = w.sub(e.unsqueeze(1).mul(u.select(0, j).unsqueeze(0)));
  }
  // One index on a border that floats cross moves all behind it in its row: of 7 rows at most one.
  const at::Tensor differs = codes.ne(small.codes()).any(1);
  BOOST_TEST(differs.sum().item<std::int64_t>() <= 1);
}

BOOST_AUTO_TEST_CASE(descent_never_raises_the_error_and_ends_where_no_index_can_do_better) {
  Small small(3, 5, 1, 4, {});
  double before = small.error();
  for (int sweep = 0; sweep < 20; ++sweep) {
    descend(small.rows, 1);
    BOOST_TEST(small.error() <= before * (1 + kFloatSums));
    before = small.error();
  }
  const at::Tensor s = small.scales();
  const at::Tensor made = small.made();
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) {
      for (std::int64_t k = 0; k < 4; ++k) {
        const at::Tensor other = made.clone();
        other[i][j] = s[i][j] * small.lut()[k];
        BOOST_TEST(error_of(small.wanted().sub(other), small.h(), small.counts()) >=
                   before * (1 - kFloatSums));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(two_sweeps_at_once_are_two_sweeps) {
  Small small(5, 300, 2, 8, {});
  const Chosen start = small.rows.now;
  small.rows.now.code = start.code.clone();
  descend(small.rows, 2);
  const at::Tensor both = small.codes();
  small.rows.now.code = start.code.clone();
  descend(small.rows, 1);
  descend(small.rows, 1);
  BOOST_TEST(both.ne(small.codes()).to(at::kDouble).mean().item<double>() <
             0.01);  // borders that floats cross
}

BOOST_AUTO_TEST_CASE(a_with_all_of_h_is_the_least_squares_fit) {
  Small small(4, 12, 3, 4, {});
  fit_a(small.rows, 1e-5);
  double least = 0;
  for (std::int64_t i = 0; i < 4; ++i) {
    const at::Tensor parts = small.entries().select(0, i).mul(small.b()).unsqueeze(1);
    least += least_error(parts, small.wanted().narrow(0, i, 1), small.h(), small.counts().narrow(0, i, 1));
  }
  BOOST_TEST(small.error() <= least * (1 + kMinimum));
  BOOST_TEST(small.error() >= least * (1 - kFloatSums));
}

BOOST_AUTO_TEST_CASE(b_with_all_of_h_is_the_least_squares_fit_of_weighted_rows) {
  Small small(6, 5, 2, 4, {});
  fit_b(small.rows, 60, 0);
  at::Tensor parts = at::zeros({10, 6, 5}, at::kDouble);
  for (std::int64_t k = 0; k < 2; ++k) {
    for (std::int64_t j = 0; j < 5; ++j)
      parts[k * 5 + j].select(1, j).copy_(small.entries().select(1, j).mul(small.a().select(1, k)));
  }
  const double least = least_error(parts, small.wanted(), small.h(), small.counts());
  BOOST_TEST(small.error() <= least * (1 + kMinimum));
  BOOST_TEST(small.error() >= least * (1 - kFloatSums));
}

BOOST_AUTO_TEST_CASE(few_iterations_for_b_lower_the_error_too) {
  Small small(100, 40, 4, 4, {});
  choose_nearest(small.rows);
  const double before = small.error();
  fit_b(small.rows, 3, 0);
  BOOST_TEST(small.error() < before);
}

BOOST_AUTO_TEST_CASE(table_is_the_least_squares_fit_of_weighted_rows) {
  Small small(9, 30, 2, 4, {});
  choose_nearest(small.rows);
  fit_lut(small.rows, 4);
  std::vector<at::Tensor> parts;
  for (std::int64_t k = 0; k < 4; ++k) parts.push_back(small.codes().eq(k).mul(small.scales()).unsqueeze(0));
  const double least = least_error(at::cat(parts), small.wanted(), small.h(), small.counts());
  BOOST_TEST(small.error() <= least * (1 + kMinimum));
  BOOST_TEST(small.error() >= least * (1 - kFloatSums));
}

BOOST_AUTO_TEST_CASE(table_stays_ascending) {
  // Indices the wrong way round want a table that falls.
  Small small(9, 30, 1, 4, {});
  choose_nearest(small.rows);
  small.rows.now.code = small.rows.now.code.neg().add_(3);
  const double before = small.error();
  fit_lut(small.rows, 4);
  BOOST_TEST(small.rows.now.lut.diff().min().item<float>() > 0.0F);
  BOOST_TEST(small.error() <= before);
}

BOOST_AUTO_TEST_CASE(factors_of_columns_that_do_not_see_each_other_are_the_least_squares_fit) {
  Small small(40, 25, 2, 4, {});
  choose_nearest(small.rows);
  const at::Tensor weight = at::rand({25}).add_(0.1);
  const at::Tensor h = weight.to(at::kDouble).diag();
  fit_a_even(small.rows, weight);
  double least = 0, made = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    const at::Tensor parts = small.entries().select(0, i).mul(small.b()).unsqueeze(1);
    const at::Tensor one = at::ones({1}, at::kDouble);
    least += least_error(parts, small.wanted().narrow(0, i, 1), h, one);
    made += error_of(small.wanted().sub(small.made()).narrow(0, i, 1), h, one);
  }
  BOOST_TEST(made <= least * (1 + kMinimum));
  fit_b_even(small.rows);
  least = made = 0;
  for (std::int64_t j = 0; j < 25; ++j) {
    const at::Tensor parts = small.entries().select(1, j).mul(small.a().t()).unsqueeze(2);
    const at::Tensor one = at::ones({1, 1}, at::kDouble);
    least += least_error(parts, small.wanted().narrow(1, j, 1), one, small.counts());
    made += error_of(small.wanted().sub(small.made()).narrow(1, j, 1), one, small.counts());
  }
  BOOST_TEST(made <= least * (1 + kMinimum));
}

BOOST_AUTO_TEST_CASE(a_way_ends_at_the_limit) {
  const at::Tensor old = at::full({1, 3}, 1.0), made = at::tensor({2.0F, 0.5F, -1.0F}).view({1, 3});
  const at::Tensor share = allowed_share(old, made, at::full({3}, 0.25), 0);
  BOOST_TEST(share[0].item<float>() == 1.0F);
  BOOST_TEST(share[1].item<float>() == 1.0F);
  BOOST_TEST(std::abs(share[2].item<float>() - 0.375F) < 0.001F);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
