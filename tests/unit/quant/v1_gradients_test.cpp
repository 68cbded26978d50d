// Gradients of the V1 layer beyond the reference's cases: weight and scales together against finite
// differences and autograd, raised scales, micro-steps, given buffers, bf16, recomputation.
#include "anemll/core/error.hpp"
#include "src/quant/internal/v1_weight.hpp"
#include "tests/unit/quant/v1_support.hpp"

#include <cmath>
#include <memory>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kFp32 = 1e-5;              // fp32 sums of up to 100 terms in another order
constexpr double kBf16 = 2e-2;              // operands and the gradient of the weight rounded to 8 bits
constexpr double kFiniteDifference = 1e-6;  // of a function without curvature, in fp64

struct Case {
  V1Linear::Tensors tensors;
  LinearQuant quant;
  at::Tensor x, dy;
};

Case make_case(std::int64_t rank, std::int64_t in = 37, bool zero = false) {
  at::manual_seed(11);
  Case c;
  c.quant.group_size = 8;
  c.tensors = random_v1(24, in, rank, (in + 7) / 8 * 8, zero);
  c.x = at::randn({3, 6, in});
  c.dy = at::randn({3, 6, 24});
  return c;
}

V1Linear::Tensors leaves_of(const V1Linear::Tensors& from, bool weight, bool scales) {
  const auto leaf = [](const at::Tensor& tensor, bool trained) {
    return tensor.defined() ? tensor.detach().clone().set_requires_grad(trained) : tensor;
  };
  return {leaf(from.weight, weight),      from.bias, leaf(from.scale_A, scales), leaf(from.scale_B, scales),
          leaf(from.full_scales, scales), from.lut};
}

at::Tensor values_of(const V1Linear::Tensors& t, bool split) {
  const at::NoGradGuard no_grad;
  V1Scales scales;
  const std::int64_t in = t.weight.size(1);
  if (t.full_scales.defined())
    scales.full = t.full_scales.detach().narrow(1, 0, in);
  else
    scales = {t.scale_A.detach(), t.scale_B.detach().narrow(1, 0, in).contiguous(), {}};
  const at::Tensor indices = v1_indices(t.weight.detach(), scales, {t.lut, split});
  return at::index_select(t.lut, 0, indices.reshape({-1}).to(at::kInt)).view(t.weight.sizes());
}

/// The rule by autograd alone: values are constant, and the weight has the gradient of the result.
at::Tensor exact(const at::Tensor& x, const V1Linear::Tensors& t, bool split) {
  const at::Tensor d = values_of(t, split) * raised_scales(t);
  return at::matmul(x, (d + (t.weight - t.weight.detach())).t());
}

void same_gradient(const at::Tensor& got, const at::Tensor& expected, double tolerance) {
  if (!expected.defined()) return;
  BOOST_TEST(got.grad().defined() == expected.grad().defined());
  if (got.grad().defined() && expected.grad().defined())
    BOOST_TEST(relative_error(got.grad(), expected.grad()) < tolerance);
}

void check_same(const V1Linear::Tensors& got, const V1Linear::Tensors& expected, double tolerance = kFp32) {
  same_gradient(got.weight, expected.weight, tolerance);
  same_gradient(got.scale_A, expected.scale_A, tolerance);
  same_gradient(got.scale_B, expected.scale_B, tolerance);
  same_gradient(got.full_scales, expected.full_scales, tolerance);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(weight_scales_and_both_match_autograd_through_the_rule) {
  for (const std::int64_t rank : {0, 1, 4}) {
    for (int what = 0; what < 4; ++what) {
      const Case c = make_case(rank, rank == 1 ? 40 : 37, rank == 4);
      const V1Linear::Tensors expected = leaves_of(c.tensors, (what & 1) != 0, (what & 2) != 0);
      const V1Linear::Tensors tensors = leaves_of(c.tensors, (what & 1) != 0, (what & 2) != 0);
      const at::Tensor x0 = c.x.clone().set_requires_grad(true);
      const at::Tensor x = c.x.clone().set_requires_grad(true);
      V1Linear layer("layer", c.quant, tensors);
      int ready = 0;
      layer.on_gradients_ready([&] { ++ready; });
      const at::Tensor y0 = exact(x0, expected, rank == 4);
      const at::Tensor y = layer.forward(x);
      BOOST_TEST(relative_error(y.detach(), y0.detach()) < kFp32);
      y0.backward(c.dy);
      y.backward(c.dy);
      BOOST_TEST(relative_error(x.grad(), x0.grad()) < kFp32);
      check_same(tensors, expected);
      BOOST_TEST(ready == (what != 0 ? 1 : 0));
    }
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_both_are_finite_differences_at_fixed_indices) {
  const Case c = make_case(3, 18);
  const V1Linear::Tensors tensors = leaves_of(c.tensors, true, true);
  V1Linear layer("layer", c.quant, tensors);
  layer.forward(c.x).backward(c.dy);
  // L = <dy, x W^T> with the indices of the start, in fp64; a weight moves W as it is.
  const at::Tensor values = values_of(c.tensors, false).to(at::kDouble);
  const at::Tensor x = c.x.to(at::kDouble);
  const at::Tensor dy = c.dy.to(at::kDouble);
  at::Tensor a = c.tensors.scale_A.to(at::kDouble);
  at::Tensor b = c.tensors.scale_B.to(at::kDouble);
  at::Tensor moved = at::zeros(c.tensors.weight.sizes(), at::kDouble);
  const auto loss = [&] {
    const at::Tensor w = values * a.mm(b).narrow(1, 0, 18).clamp_min(1e-8) + moved;
    return (dy * at::matmul(x, w.t())).sum().item<double>();
  };
  const auto check = [&](at::Tensor& tensor, const at::Tensor& gradient, std::int64_t row,
                         std::int64_t column) {
    constexpr double kStep = 1e-5;
    const at::Tensor slot = tensor[row][column];
    const double before = slot.item<double>();
    slot.fill_(before + kStep);
    const double above = loss();
    slot.fill_(before - kStep);
    const double below = loss();
    slot.fill_(before);
    const double expected = (above - below) / (2 * kStep);
    const double got = gradient[row][column].item<double>();
    const double scale = gradient.abs().max().item<double>();
    BOOST_TEST(std::abs(got - expected) < (kFp32 + kFiniteDifference) * scale,
               row << " " << column << ": " << got << " and " << expected);
  };
  for (std::int64_t i = 0; i < 12; ++i) {
    check(a, tensors.scale_A.grad(), 2 * i, i % 3);
    check(b, tensors.scale_B.grad(), i % 3, i + 8);  // the last two columns are padding
    check(moved, tensors.weight.grad(), i, i + 3);
  }
}

BOOST_AUTO_TEST_CASE(raised_scales_pass_no_gradient) {
  for (const std::int64_t rank : {0, 2}) {
    Case c = make_case(rank);
    if (rank == 0)
      c.tensors.full_scales.fill_(-0.5);
    else
      c.tensors.scale_A.abs_().neg_();
    if (rank != 0) c.tensors.scale_B.abs_();
    const V1Linear::Tensors tensors = leaves_of(c.tensors, true, true);
    V1Linear layer("layer", c.quant, tensors);
    layer.forward(c.x).backward(c.dy);
    for (const at::Tensor& scales : {tensors.scale_A, tensors.scale_B, tensors.full_scales}) {
      if (scales.defined()) BOOST_TEST(scales.grad().eq(0).all().item<bool>());
    }
    BOOST_TEST(tensors.weight.grad().ne(0).any().item<bool>());
    BOOST_TEST(layer.effective_weight(at::kFloat).abs().max().item<double>() <= 1e-8);
  }
}

BOOST_AUTO_TEST_CASE(micro_steps_add_into_given_buffers) {
  for (int what = 1; what < 4; ++what) {
    const Case c = make_case(4);
    const V1Linear::Tensors expected = leaves_of(c.tensors, (what & 1) != 0, (what & 2) != 0);
    const V1Linear::Tensors tensors = leaves_of(c.tensors, (what & 1) != 0, (what & 2) != 0);
    const at::Tensor flat = at::zeros({tensors.weight.numel()});
    if ((what & 1) != 0) tensors.weight.mutable_grad() = flat.view_as(tensors.weight);
    V1Linear layer("layer", c.quant, tensors);
    int ready = 0;
    layer.on_gradients_ready([&] { ++ready; });
    for (int step = 0; step < 2; ++step) {
      layer.begin_step();
      for (std::int64_t micro = 0; micro < 3; ++micro) {
        layer.begin_micro_step(micro == 2);
        layer.forward(c.x[micro]).backward(c.dy[micro]);
        exact(c.x[micro], expected, false).backward(c.dy[micro]);
        BOOST_TEST(ready == step + (micro == 2 ? 1 : 0));
      }
    }
    check_same(tensors, expected);
    if ((what & 1) != 0) BOOST_TEST(relative_error(flat, expected.weight.grad().reshape({-1})) < kFp32);
  }
}

BOOST_AUTO_TEST_CASE(a_recomputed_forward_counts_once_and_the_weight_lives_for_a_step) {
  const Case c = make_case(2);
  const V1Linear::Tensors expected = leaves_of(c.tensors, true, true);
  exact(c.x, expected, false).backward(c.dy);
  const V1Linear::Tensors tensors = leaves_of(c.tensors, true, true);
  V1Linear layer("layer", c.quant, tensors);
  {
    const at::NoGradGuard no_grad;
    BOOST_TEST(!layer.forward(c.x).requires_grad());
  }
  const at::Tensor y = layer.forward(c.x);
  y.backward(c.dy);
  check_same(tensors, expected);

  const at::NoGradGuard no_grad;
  tensors.scale_A.mul_(2);
  BOOST_TEST(layer.forward(c.x).equal(y));
  layer.begin_step();
  BOOST_TEST(relative_error(layer.forward(c.x), exact(c.x, tensors, false)) < kFp32);
  layer.set_transient(true);
  tensors.scale_A.mul_(0.5);
  BOOST_TEST(relative_error(layer.forward(c.x), y.detach()) < kFp32);
}

BOOST_AUTO_TEST_CASE(bf16_products_are_near_fp32) {
  const Case c = make_case(3, 40);
  const V1Linear::Tensors expected = leaves_of(c.tensors, true, true);
  const at::Tensor y0 = exact(c.x, expected, false);
  y0.backward(c.dy);
  const V1Linear::Tensors tensors = leaves_of(c.tensors, true, true);
  V1Linear layer("layer", c.quant, tensors);
  const at::Tensor y = layer.forward(c.x.to(at::kBFloat16));
  BOOST_TEST((y.scalar_type() == at::kBFloat16));
  BOOST_TEST(relative_norm(y.detach(), y0.detach()) < kBf16);
  y.backward(c.dy.to(at::kBFloat16));
  BOOST_TEST((tensors.weight.grad().scalar_type() == at::kFloat));
  BOOST_TEST(relative_norm(tensors.weight.grad(), expected.weight.grad()) < kBf16);
  BOOST_TEST(relative_norm(tensors.scale_A.grad(), expected.scale_A.grad()) < kBf16);
  BOOST_TEST(relative_norm(tensors.scale_B.grad(), expected.scale_B.grad()) < kBf16);
}

BOOST_AUTO_TEST_CASE(bf16_products_add_up_over_blocks_of_rows) {
  at::manual_seed(12);
  const std::int64_t out = 70, in = 1201;  // more than a block, and no whole number of them
  const V1Linear::Tensors tensors = leaves_of(random_v1(out, in, 3, 1208), true, false);
  LinearQuant quant;
  quant.group_size = 8;
  V1Linear layer("layer", quant, tensors);
  const at::Tensor x = at::randn({5, in}).to(at::kBFloat16);
  const at::Tensor dy = at::randn({5, out}).to(at::kBFloat16);
  layer.forward(x).backward(dy);
  const at::Tensor once = tensors.weight.grad().clone();
  layer.forward(x).backward(dy);
  BOOST_TEST(tensors.weight.grad().equal(once + once));
}

BOOST_AUTO_TEST_CASE(a_snapped_layer_is_not_trained) {
  const Case c = make_case(2);
  const V1Linear layer("layer", c.quant, c.tensors);
  const std::unique_ptr<V1Linear> snapped = layer.snap(V1Snap::lut);
  BOOST_CHECK_NO_THROW(snapped->forward(c.x));
  snapped->tensors().scale_A = snapped->tensors().scale_A.clone().set_requires_grad(true);
  BOOST_CHECK_EXCEPTION(snapped->forward(c.x), Error, [](const Error& error) {
    return error.code() == ExitCode::usage && error.where() == "layer" && !error.hint().empty();
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
