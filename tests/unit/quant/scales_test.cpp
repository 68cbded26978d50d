// Scale initialisation against a plain decomposition of the expanded scale matrix in double precision.
#include "src/quant/internal/scales.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/internal/layer_init.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "tests/unit/quant/support.hpp"

#include <algorithm>

#include <ATen/Context.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kHalfOfMagnitude = 5e-4;  // magnitudes are rounded to half: 2^-11 relative
constexpr double kOrthonormal = 1e-6;      // fp32 storage of unit vectors

/// Every group's maximum written over its columns.
at::Tensor expanded(const at::Tensor& weight, std::int64_t group_size) {
  at::Tensor e = at::zeros_like(weight, at::kDouble);
  for (std::int64_t begin = 0; begin < weight.size(1); begin += group_size) {
    const std::int64_t n = std::min(group_size, weight.size(1) - begin);
    e.narrow(1, begin, n)
        .copy_(weight.narrow(1, begin, n).abs().amax(1, true).clamp_min(1e-8).expand({-1, n}));
  }
  return e;
}

at::Tensor product(const InitialScales& s) {
  return at::matmul(s.scale_A * s.rank_magnitude, s.scale_B);
}

/// columns^T columns against the identity, in double.
double off_identity(const at::Tensor& columns) {
  const at::Tensor wide = columns.to(at::kDouble);
  const at::Tensor gram = at::matmul(wide.t(), wide);
  return (gram - at::eye(gram.size(0), at::kDouble)).abs().max().item<double>();
}

void check_orthonormal(const InitialScales& s) {
  BOOST_TEST(off_identity(s.scale_A) < kOrthonormal);
  BOOST_TEST(off_identity(s.scale_B.t()) < kOrthonormal);
}

/// The reference's result: truncated SVD of E with floored singular values.
at::Tensor reference_product(const at::Tensor& weight, std::int64_t rank, std::int64_t group_size,
                             bool floor) {
  const auto [u, s, vt] = at::linalg_svd(expanded(weight, group_size), false);
  at::Tensor g = s.narrow(0, 0, rank);
  if (floor) g = g.clamp_min(std::max(.01 * s[0].item<double>(), .01));
  return at::matmul(u.narrow(1, 0, rank) * g, vt.narrow(0, 0, rank));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(group_maxima_with_a_short_last_group) {
  const at::Tensor w = floats({1, -3, 2, 0, 5, 0, 0, 0, 0, -4}, {2, 5});
  const at::Tensor expected = floats({3, 2, 5, 1e-8F, 1e-8F, 4}, {2, 3});
  BOOST_TEST(group_maxima(w, 2).equal(expected));
  BOOST_TEST(group_maxima(w, 8).equal(floats({5, 4}, {2, 1})));
}

BOOST_AUTO_TEST_CASE(svd_matches_the_decomposition_of_the_expanded_matrix) {
  at::manual_seed(1);
  struct Shape {
    std::int64_t out, in, group, rank;
  };
  for (const Shape shape :
       {Shape{48, 64, 8, 3}, Shape{48, 60, 8, 8}, Shape{6, 128, 4, 5}, Shape{40, 64, 16, 4}}) {
    const at::Tensor w = at::randn({shape.out, shape.in});
    for (const SvdFloor floor : {SvdFloor::reference, SvdFloor::none}) {
      const InitialScales s = svd_scales(w, shape.rank, shape.group, floor);
      const at::Tensor expected = reference_product(w, shape.rank, shape.group, floor == SvdFloor::reference);
      BOOST_TEST(relative_norm(product(s), expected) < kHalfOfMagnitude);
      check_orthonormal(s);
      BOOST_TEST(s.rank_magnitude.equal(s.rank_magnitude.to(at::kHalf).to(at::kFloat)));
    }
  }
}

BOOST_AUTO_TEST_CASE(svd_floor_lifts_small_singular_values) {
  // Nearly equal groups: the second and third singular values are far below the first.
  at::Tensor w = at::full({8, 12}, 1.0);
  w.narrow(1, 4, 4).add_(1e-2);
  w.narrow(1, 8, 4).add_(at::randn({8, 1}).abs() * 1e-3);
  const InitialScales none = svd_scales(w, 3, 4, SvdFloor::none);
  const InitialScales floored = svd_scales(w, 3, 4, SvdFloor::reference);
  const double first = none.rank_magnitude[0].item<double>();
  BOOST_TEST(none.rank_magnitude[1].item<double>() < .01 * first);
  BOOST_TEST(floored.rank_magnitude[1].item<double>() == .01 * first, boost::test_tools::tolerance(1e-3));
  // the absolute part of the floor
  const InitialScales tiny = svd_scales(w * 1e-3, 3, 4, SvdFloor::reference);
  BOOST_TEST(tiny.rank_magnitude[1].item<double>() == .01, boost::test_tools::tolerance(1e-3));
}

BOOST_AUTO_TEST_CASE(svd_with_more_ranks_than_groups_starts_the_rest_at_zero) {
  at::manual_seed(2);
  const at::Tensor w = at::randn({96, 256});
  for (const SvdFloor floor : {SvdFloor::reference, SvdFloor::none}) {
    const InitialScales s = svd_scales(w, 32, 32, floor);  // 8 groups
    BOOST_TEST(s.rank_magnitude.narrow(0, 8, 24).equal(at::zeros({24})));
    BOOST_TEST((s.rank_magnitude.narrow(0, 0, 8) > 0).all().item<bool>());
    check_orthonormal(s);
    BOOST_TEST(relative_norm(product(s), expanded(w, 32)) <
               2 * kHalfOfMagnitude + (floor == SvdFloor::none ? 0 : 1e-2));
    const InitialScales again = svd_scales(w, 32, 32, floor);
    BOOST_TEST(s.scale_A.equal(again.scale_A));
    BOOST_TEST(s.scale_B.equal(again.scale_B));
  }
  // The fixed directions do not depend on the noise in the weight: equal group maxima, other weights.
  const at::Tensor other = at::where(w.abs().lt(.5), w * .5, w);
  BOOST_TEST(svd_scales(other, 32, 32).scale_B.equal(svd_scales(w, 32, 32).scale_B));
}

BOOST_AUTO_TEST_CASE(svd_with_ranks_beyond_the_matrix) {
  const at::Tensor w = at::randn({6, 16});
  const InitialScales s = svd_scales(w, 10, 8);  // rank > out, 2 groups
  BOOST_TEST(s.scale_A.sizes().equals({6, 10}));
  BOOST_TEST(s.scale_B.sizes().equals({10, 16}));
  BOOST_TEST(off_identity(s.scale_A.narrow(1, 0, 6)) < kOrthonormal);
  BOOST_TEST(off_identity(s.scale_B.t()) < kOrthonormal);
  BOOST_TEST((s.scale_A.norm(2, {0}) - 1).abs().max().item<double>() < kOrthonormal);
  BOOST_TEST(s.rank_magnitude.narrow(0, 2, 8).equal(at::zeros({8})));
  const InitialScales narrow = svd_scales(at::randn({16, 4}), 7, 1);  // rank > in
  BOOST_TEST((narrow.scale_B.norm(2, {1}) - 1).abs().max().item<double>() < kOrthonormal);
  BOOST_TEST(narrow.rank_magnitude.narrow(0, 4, 3).equal(at::zeros({3})));
}

BOOST_AUTO_TEST_CASE(svd_of_dependent_groups_has_no_noise_directions) {
  const at::Tensor column = at::randn({20, 1}).abs() + .1;
  const at::Tensor w = column.expand({20, 32}).contiguous();  // rank one for any grouping
  const InitialScales s = svd_scales(w, 4, 8);
  BOOST_TEST(relative_norm(product(s), w) < kHalfOfMagnitude);
  BOOST_TEST(s.rank_magnitude.narrow(0, 1, 3).equal(at::zeros({3})));
  check_orthonormal(s);
}

BOOST_AUTO_TEST_CASE(fast_scales_are_exact_for_rank_one_and_close_otherwise) {
  const at::Tensor rows = at::randn({12, 1}).abs() + .5;
  const at::Tensor groups = at::randn({1, 5}).abs() + .5;
  const at::Tensor w = at::matmul(rows, groups).repeat_interleave(4, 1).narrow(1, 0, 18).contiguous();
  const InitialScales s = fast_scales(w, 3, 4);
  BOOST_TEST(relative_norm(product(s), w) < kHalfOfMagnitude);
  BOOST_TEST(s.rank_magnitude.narrow(0, 1, 2).equal(at::zeros({2})));
  check_orthonormal(s);
}

BOOST_AUTO_TEST_CASE(scales_refuse_senseless_requests) {
  const at::Tensor w = at::randn({4, 8});
  BOOST_CHECK_THROW(svd_scales(w, 0, 4), Error);
  BOOST_CHECK_THROW(svd_scales(w, 2, 0), Error);
}

BOOST_AUTO_TEST_CASE(initial_layer_reconstructs_the_weight) {
  at::manual_seed(4);
  const at::Tensor w = at::randn({64, 128}) * .02;
  V2Config config;
  config.lut_size = 16;
  config.rank = 4;
  config.group_size = 16;
  double previous = 1;
  for (const std::int64_t rank : {1, 4, 8}) {
    config.rank = rank;
    const V2Draft layer = initial_layer(w, {}, config, {});
    BOOST_TEST(layer.warnings.empty());
    const at::Tensor effective = V2Linear("layer", layer.config, layer.tensors).effective_weight(at::kFloat);
    const double error = relative_norm(effective, w);
    BOOST_TEST(error < previous);
    previous = error;
  }
  BOOST_TEST(previous < .1);  // 4 bits, full-rank scales, normal weights: about 0.06
}

// |A| and |B| of a decomposition are another matrix.
BOOST_AUTO_TEST_CASE(a_layer_of_positive_scales_starts_without_a_negative_entry) {
  const at::Tensor w = at::randn({64, 128}) * .02;
  V2Config config;
  config.lut_size = 16;
  config.group_size = 16;
  config.force_positive_scales = true;
  double previous = 1;
  for (const std::int64_t rank : {1, 4, 8}) {
    config.rank = rank;
    const V2Draft layer = initial_layer(w, {}, config, {});
    BOOST_TEST(layer.tensors.scale_A.min().item<float>() > 0.0F);
    BOOST_TEST(layer.tensors.scale_B.min().item<float>() > 0.0F);
    BOOST_TEST(layer.tensors.rank_magnitude.min().item<float>() >= 0.0F);
    const at::Tensor effective = V2Linear("layer", layer.config, layer.tensors).effective_weight(at::kFloat);
    const double error = relative_norm(effective, w);
    BOOST_TEST(error < previous * 1.02);
    previous = error;
  }
  BOOST_TEST(previous < .15);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
