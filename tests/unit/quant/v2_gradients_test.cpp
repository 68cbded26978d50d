// The hand-written backward against plain autograd through the exact rank-by-rank formula written here, with
// accumulation, frozen subsets, and the options that change the factors.
#include "tests/unit/quant/support.hpp"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kFp32 = 1e-5;  // fp32 sums of up to 100 terms in another order
constexpr double kBf16 = 1e-2;  // gradients of factors in bf16 against fp32: the limit the trainer needs
constexpr double kBf16Output = 2e-2;  // two operands and the result rounded to 8 bits

/// y = sum_k g_k a_k o (Q (b_k o x)) by autograd alone.
at::Tensor exact(const at::Tensor& x, const V2Linear::Tensors& t, const V2Config& config) {
  const at::Tensor q =
      at::index_select(t.lut, 0, t.indices.reshape({-1}).to(at::kInt)).view(t.indices.sizes());
  at::Tensor a = t.scale_A;
  at::Tensor b = t.scale_B;
  at::Tensor g = t.rank_magnitude;
  if (!t.baked) {
    if (config.force_positive_scales) {
      a = a.abs();
      b = b.abs();
    }
    a = a / a.norm(2, {0}, true).clamp_min(config.norm_eps);
    b = b / b.norm(2, {1}, true).clamp_min(config.norm_eps);
    g = g + config.magnitude_eps;
  }
  at::Tensor y;
  for (std::int64_t k = 0; k < config.rank; ++k) {
    const at::Tensor part = at::matmul(x * b.select(0, k), q.t()) * a.select(1, k) * g.select(0, k);
    y = y.defined() ? y + part : part;
  }
  return t.bias.defined() ? y + t.bias : y;
}

struct Case {
  V2Config config;
  V2Linear::Tensors tensors;
  at::Tensor x, dy;

  explicit Case(std::int64_t rank = 5, std::int64_t lut_size = 16, std::int64_t out = 24,
                std::int64_t in = 40) {
    at::manual_seed(7);
    config.rank = rank;
    config.lut_size = lut_size;
    tensors = random_layer(out, in, rank, lut_size);
    x = at::randn({3, 6, in});
    dy = at::randn({3, 6, out});
  }
};

void check_same(const V2Linear::Tensors& got, const V2Linear::Tensors& expected, double tolerance) {
  const auto same = [&](const at::Tensor& a, const at::Tensor& b) {
    BOOST_TEST(a.grad().defined() == b.grad().defined());
    if (b.grad().defined() && a.grad().defined()) BOOST_TEST(relative_error(a.grad(), b.grad()) < tolerance);
  };
  same(got.scale_A, expected.scale_A);
  same(got.scale_B, expected.scale_B);
  same(got.rank_magnitude, expected.rank_magnitude);
}

/// Forward and backward in every mode against the exact formula.
void check_all_modes(const Case& c, bool a = true, bool b = true, bool g = true, bool x_grad = true) {
  const V2Linear::Tensors expected = leaves(c.tensors, a, b, g);
  const at::Tensor x0 = c.x.detach().clone().set_requires_grad(x_grad);
  const at::Tensor y0 = exact(x0, expected, c.config);
  if (y0.requires_grad()) y0.backward(c.dy);
  for (const ForwardMode mode : {ForwardMode::materialised, ForwardMode::loop, ForwardMode::batched}) {
    const V2Linear::Tensors tensors = leaves(c.tensors, a, b, g);
    V2Linear layer("layer", c.config, tensors);
    layer.set_numerics({mode, false});
    int ready = 0;
    layer.on_gradients_ready([&] { ++ready; });
    const at::Tensor x = c.x.detach().clone().set_requires_grad(x_grad);
    const at::Tensor y = layer.forward(x);
    BOOST_TEST(y.requires_grad() == y0.requires_grad());
    BOOST_TEST(relative_error(y, y0) < kFp32);
    if (!y.requires_grad()) continue;
    y.backward(c.dy);
    if (x_grad) BOOST_TEST(relative_error(x.grad(), x0.grad()) < kFp32);
    check_same(tensors, expected, kFp32);
    BOOST_TEST(ready == ((a || b || g) ? 1 : 0));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(gradients_match_autograd_through_the_exact_loop) {
  check_all_modes(Case());
  check_all_modes(Case(17, 4, 48, 32));
}

BOOST_AUTO_TEST_CASE(gradients_of_frozen_subsets) {
  const Case c;
  for (int bits = 0; bits < 8; ++bits)
    for (const bool x_grad : {true, false})
      check_all_modes(c, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, x_grad);
}

BOOST_AUTO_TEST_CASE(gradients_with_bias_and_positivity) {
  for (const bool positive : {false, true}) {
    Case c;
    c.tensors.bias = at::randn({24});
    c.config.force_positive_scales = positive;
    c.config.magnitude_eps = 0.25;  // large enough to be seen
    check_all_modes(c);
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_baked_factors) {
  Case c;
  c.tensors.baked = true;
  check_all_modes(c);
}

BOOST_AUTO_TEST_CASE(gradients_of_columns_below_the_norm_epsilon) {
  Case c;
  c.tensors.scale_A.select(1, 2).mul_(1e-9);
  c.tensors.scale_B.select(0, 1).mul_(1e-9);
  c.config.norm_eps = 1e-6;
  check_all_modes(c);
}

BOOST_AUTO_TEST_CASE(gradients_accumulate_over_micro_batches_and_steps) {
  const Case c;
  for (const ForwardMode mode : {ForwardMode::materialised, ForwardMode::loop, ForwardMode::batched}) {
    const V2Linear::Tensors expected = leaves(c.tensors);
    const V2Linear::Tensors tensors = leaves(c.tensors);
    V2Linear layer("layer", c.config, tensors);
    layer.set_numerics({mode, false});
    int ready = 0;
    layer.on_gradients_ready([&] { ++ready; });
    for (int step = 0; step < 2; ++step) {  // the second step must not see the first one's sum
      layer.begin_step();
      for (std::int64_t micro = 0; micro < 3; ++micro) {
        layer.begin_micro_step(micro == 2);
        layer.forward(c.x[micro]).backward(c.dy[micro]);
        exact(c.x[micro], expected, c.config).backward(c.dy[micro]);
        BOOST_TEST(ready == step + (micro == 2 ? 1 : 0));
      }
      check_same(tensors, expected, kFp32);
    }
    layer.begin_micro_step(true);  // a step of one micro-batch after steps of three
    layer.forward(c.x[0]).backward(c.dy[0]);
    exact(c.x[0], expected, c.config).backward(c.dy[0]);
    check_same(tensors, expected, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(gradients_land_in_preallocated_views) {
  const Case c;
  const V2Linear::Tensors expected = leaves(c.tensors);
  exact(c.x, expected, c.config).backward(c.dy);
  const V2Linear::Tensors tensors = leaves(c.tensors);
  const std::int64_t a = tensors.scale_A.numel();
  const std::int64_t b = tensors.scale_B.numel();
  const at::Tensor flat = at::zeros({a + b + c.config.rank});
  tensors.scale_A.mutable_grad() = flat.narrow(0, 0, a).view_as(tensors.scale_A);
  tensors.scale_B.mutable_grad() = flat.narrow(0, a, b).view_as(tensors.scale_B);
  tensors.rank_magnitude.mutable_grad() = flat.narrow(0, a + b, c.config.rank);
  V2Linear layer("layer", c.config, tensors);
  layer.forward(c.x).backward(c.dy);
  check_same(tensors, expected, kFp32);
  BOOST_TEST(relative_error(flat.narrow(0, 0, a), expected.scale_A.grad().reshape({-1})) < kFp32);
  BOOST_TEST(relative_error(flat.narrow(0, a + b, c.config.rank), expected.rank_magnitude.grad()) < kFp32);
}

BOOST_AUTO_TEST_CASE(recomputed_forward_counts_once) {
  // What gradient checkpointing does: forward without a graph, then forward again and backward.
  const Case c;
  for (const ForwardMode mode : {ForwardMode::materialised, ForwardMode::loop, ForwardMode::batched}) {
    const V2Linear::Tensors expected = leaves(c.tensors);
    exact(c.x, expected, c.config).backward(c.dy);
    const V2Linear::Tensors tensors = leaves(c.tensors);
    V2Linear layer("layer", c.config, tensors);
    layer.set_numerics({mode, false});
    {
      const at::NoGradGuard no_grad;
      BOOST_TEST(!layer.forward(c.x).requires_grad());
    }
    layer.forward(c.x).backward(c.dy);
    check_same(tensors, expected, kFp32);
  }
}

BOOST_AUTO_TEST_CASE(cached_weight_lives_until_begin_step) {
  const Case c;
  const V2Linear::Tensors tensors = leaves(c.tensors, false, false, false);
  V2Linear layer("layer", c.config, tensors);
  const at::Tensor before = layer.forward(c.x);
  tensors.rank_magnitude.mul_(2);
  BOOST_TEST(layer.forward(c.x).equal(before));
  layer.begin_step();
  const at::Tensor after = layer.forward(c.x);
  BOOST_TEST(relative_error(after, exact(c.x, tensors, c.config)) < kFp32);
  layer.set_transient(true);
  tensors.rank_magnitude.mul_(2);
  BOOST_TEST(relative_error(layer.forward(c.x), exact(c.x, tensors, c.config)) < kFp32);
}

BOOST_AUTO_TEST_CASE(bf16_gradients_are_within_one_percent_of_fp32) {
  Case c(32, 4, 192, 160);
  c.x = at::randn({256, 160});
  c.dy = at::randn({256, 192});
  const V2Linear::Tensors expected = leaves(c.tensors);
  const at::Tensor y0 = exact(c.x, expected, c.config);
  y0.backward(c.dy);
  const V2Linear::Tensors tensors = leaves(c.tensors);
  V2Linear layer("layer", c.config, tensors);
  const at::Tensor y = layer.forward(c.x.to(at::kBFloat16));
  BOOST_TEST((y.scalar_type() == at::kBFloat16));
  BOOST_TEST(relative_norm(y, y0) < kBf16Output);
  y.backward(c.dy.to(at::kBFloat16));
  BOOST_TEST(relative_norm(tensors.scale_A.grad(), expected.scale_A.grad()) < kBf16);
  BOOST_TEST(relative_norm(tensors.scale_B.grad(), expected.scale_B.grad()) < kBf16);
  BOOST_TEST(relative_norm(tensors.rank_magnitude.grad(), expected.rank_magnitude.grad()) < kBf16);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
