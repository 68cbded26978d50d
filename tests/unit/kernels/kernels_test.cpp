// The fused operations against plain formulas in fp64, forward and backward, in both GEMM types, at sizes
// with vector tails; and the generic form against the same.
#include "src/kernels/functions.hpp"
#include "src/kernels/internal/generic.hpp"
#include "src/kernels/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

namespace {

using at::Tensor;
using Tensors = std::vector<Tensor>;
using anemll::kernels::attention_mask;
using anemll::kernels::Normed;

// Relative to the largest entry: fp32 sums of some hundred terms; two roundings to 8 bits of mantissa.
constexpr double kFloatTolerance = 1e-5;
constexpr double kBf16Tolerance = 1.2e-2;
constexpr double kEps = 1e-6;

double tolerance(at::ScalarType dtype) {
  return dtype == at::kFloat ? kFloatTolerance : kBf16Tolerance;
}

void check_close(const Tensor& value, const Tensor& expected, double limit, const char* what) {
  BOOST_REQUIRE_MESSAGE(value.defined(), what << " is missing");
  constexpr double kFloor = 0.1;  // inputs are of order one; some true gradients are exactly zero
  const double scale = std::max(expected.abs().max().item<double>(), kFloor);
  const double error = (value.to(at::kDouble) - expected).abs().max().item<double>();
  BOOST_CHECK_MESSAGE(error <= limit * scale, what << ": error " << error << " of " << scale);
}

/// A leaf in `dtype` and its twin in fp64 with the same value.
struct Leaf {
  Tensor value, wide;
  Leaf(at::IntArrayRef shape, at::ScalarType dtype) {
    value = at::randn(shape).to(dtype).set_requires_grad(true);
    wide = value.detach().to(at::kDouble).set_requires_grad(true);
  }
};

/// Runs both sides, sends the same random gradient back through each output, compares outputs and gradients.
void compare(const std::function<Tensors(const Tensors&)>& fused,
             const std::function<Tensors(const Tensors&)>& plain, const std::vector<Leaf>& leaves,
             double limit) {
  Tensors narrow;
  Tensors wide;
  for (const Leaf& leaf : leaves) {
    narrow.push_back(leaf.value);
    wide.push_back(leaf.wide);
  }
  const Tensors got = fused(narrow);
  const Tensors expected = plain(wide);
  BOOST_REQUIRE_EQUAL(got.size(), expected.size());
  Tensor got_total;
  Tensor expected_total;
  for (std::size_t i = 0; i < got.size(); ++i) {
    check_close(got[i].detach(), expected[i].detach(), limit, "output");
    const Tensor weight = at::randn(got[i].sizes());
    const Tensor a = (got[i].to(at::kFloat) * weight).sum();
    const Tensor b = (expected[i] * weight.to(at::kDouble)).sum();
    got_total = got_total.defined() ? got_total + a : a;
    expected_total = expected_total.defined() ? expected_total + b : b;
  }
  got_total.backward();
  expected_total.backward();
  for (const Leaf& leaf : leaves) {
    check_close(leaf.value.grad(), leaf.wide.grad(), limit, "gradient");
    BOOST_CHECK(leaf.value.grad().scalar_type() == leaf.value.scalar_type());
  }
}

Tensor rms_norm(const Tensor& x, const Tensor& weight) {
  return x * at::rsqrt((x * x).mean({-1}, true) + kEps) * weight;
}

Tensor angles(std::int64_t length, std::int64_t dim) {
  const Tensor f = at::arange(dim / 2, at::kDouble) * (-2.0 * std::log(10000.0) / static_cast<double>(dim));
  return at::arange(length, at::kDouble).unsqueeze(1) * f.exp();
}

Tensor rotate(const Tensor& x) {  // [B, L, heads, dim]
  const std::int64_t half = x.size(3) / 2;
  const Tensor a = angles(x.size(1), x.size(3)).unsqueeze(1);
  const Tensor angle = at::cat({a, a}, -1);
  const Tensor turned = at::cat({-x.narrow(3, half, half), x.narrow(3, 0, half)}, 3);
  return x * angle.cos() + turned * angle.sin();
}

Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& allowed) {
  const std::int64_t groups = q.size(2) / k.size(2);
  const Tensor kk = k.repeat_interleave(groups, 2).permute({0, 2, 3, 1});
  const Tensor vv = v.repeat_interleave(groups, 2).transpose(1, 2);
  const Tensor scores = q.transpose(1, 2).matmul(kk) / std::sqrt(static_cast<double>(q.size(3)));
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor mask = allowed.defined()
                          ? allowed
                          : at::ones({q.size(1), k.size(1)}, at::TensorOptions().dtype(at::kBool))
                                .tril(k.size(1) - q.size(1));
  return at::softmax(scores.masked_fill(mask.logical_not(), -infinity), -1).matmul(vv).transpose(1, 2);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernels)

BOOST_AUTO_TEST_CASE(parallel_for_covers_every_index_once) {
  std::vector<std::atomic<int>> seen(1000);
  anemll::kernels::parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  for (const auto& count : seen) BOOST_REQUIRE_EQUAL(count.load(), 1);
  anemll::kernels::parallel_for(0, 1, [](std::int64_t, std::int64_t) { BOOST_ERROR("nothing to do"); });
}

BOOST_AUTO_TEST_CASE(add_rms_norm_matches_the_formula) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t width : {1, 37, 576}) {
      for (const at::ScalarType out : {dtype, at::kFloat}) {
        compare(
            [&](const Tensors& t) {
              const Normed r = anemll::kernels::add_rms_norm(t[0], t[1], t[2], kEps, out);
              BOOST_CHECK(r.sum.scalar_type() == at::kFloat && r.normed.scalar_type() == out);
              return Tensors{r.sum, r.normed};
            },
            [](const Tensors& t) {
              return Tensors{t[0] + t[1], rms_norm(t[0] + t[1], t[2])};
            },
            {Leaf({5, 11, width}, at::kFloat), Leaf({5, 11, width}, dtype), Leaf({width}, at::kFloat)},
            tolerance(dtype));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(add_rms_norm_without_a_delta_leaves_the_stream_alone) {
  const Leaf hidden({3, 4, 33}, at::kFloat);
  const Leaf weight({33}, at::kFloat);
  const Normed r = anemll::kernels::add_rms_norm(hidden.value, {}, weight.value, kEps, at::kFloat);
  BOOST_CHECK(r.sum.is_same(hidden.value));
  compare(
      [](const Tensors& t) {
        return Tensors{anemll::kernels::add_rms_norm(t[0], {}, t[1], kEps, at::kFloat).normed};
      },
      [](const Tensors& t) { return Tensors{rms_norm(t[0], t[1])}; }, {hidden, weight}, kFloatTolerance);
}

BOOST_AUTO_TEST_CASE(unused_outputs_and_frozen_inputs_are_skipped) {
  const Tensor hidden = at::randn({2, 3, 16}).set_requires_grad(true);
  const Tensor delta = at::randn({2, 3, 16}).set_requires_grad(true);
  const Tensor weight = at::ones({16});
  anemll::kernels::add_rms_norm(hidden, delta, weight, kEps, at::kFloat).sum.sum().backward();
  BOOST_CHECK(hidden.grad().eq(1).all().item<bool>() && delta.grad().eq(1).all().item<bool>());
  const Tensor trained = at::ones({16}).set_requires_grad(true);
  const Normed r = anemll::kernels::add_rms_norm(hidden.detach(), delta.detach(), trained, kEps, at::kFloat);
  r.normed.sum().backward();
  check_close(trained.grad(), r.normed.detach().sum(0).sum(0).to(at::kDouble), kFloatTolerance,
              "weight gradient");
}

BOOST_AUTO_TEST_CASE(head_norm_rope_matches_the_formula) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t dim : {6, 32, 128}) {
      const Tensor angle = angles(9, dim);  // longer than the input
      const Tensor cosine = angle.cos().to(at::kFloat);
      const Tensor sine = angle.sin().to(at::kFloat);
      compare(
          [&](const Tensors& t) {
            return Tensors{anemll::kernels::head_norm_rope(t[0], t[1], kEps, cosine, sine)};
          },
          [](const Tensors& t) { return Tensors{rotate(rms_norm(t[0], t[1]))}; },
          {Leaf({2, 7, 3, dim}, dtype), Leaf({dim}, at::kFloat)}, tolerance(dtype));
      compare(
          [&](const Tensors& t) {
            return Tensors{anemll::kernels::head_norm_rope(t[0], {}, kEps, cosine, sine)};
          },
          [](const Tensors& t) { return Tensors{rotate(t[0])}; }, {Leaf({2, 7, 3, dim}, dtype)},
          tolerance(dtype));
    }
  }
}

BOOST_AUTO_TEST_CASE(swiglu_matches_the_formula_and_saturates) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    compare([](const Tensors& t) { return Tensors{anemll::kernels::swiglu(t[0], t[1])}; },
            [](const Tensors& t) { return Tensors{t[0] * t[0].sigmoid() * t[1]}; },
            {Leaf({3, 5, 47}, dtype), Leaf({3, 5, 47}, dtype)}, tolerance(dtype));
  }
  const Tensor gate = at::tensor({-1e4F, -200.0F, 0.0F, 200.0F, 1e4F});
  const Tensor out = anemll::kernels::swiglu(gate, at::ones({5}));
  BOOST_CHECK_SMALL(out[0].item<float>(), 1e-30F);
  BOOST_CHECK_EQUAL(out[2].item<float>(), 0.0F);
  BOOST_CHECK_EQUAL(out[4].item<float>(), 1e4F);
  const Tensor nan = at::full({1}, std::numeric_limits<double>::quiet_NaN()).to(at::kBFloat16);
  BOOST_CHECK(std::isnan(anemll::kernels::swiglu(nan, nan).item<float>()));
}

BOOST_AUTO_TEST_CASE(attention_matches_the_formula) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t length : {1, 7, 64, 80}) {
      compare(
          [](const Tensors& t) { return Tensors{anemll::kernels::attention(t[0], t[1], t[2], {})}; },
          [](const Tensors& t) { return Tensors{plain_attention(t[0], t[1], t[2], {})}; },
          {Leaf({2, length, 6, 16}, dtype), Leaf({2, length, 2, 16}, dtype), Leaf({2, length, 2, 16}, dtype)},
          tolerance(dtype));
    }
  }
}

BOOST_AUTO_TEST_CASE(attention_obeys_a_padding_mask) {
  const Tensor mask = at::ones({2, 7}, at::kLong);
  mask[0][5] = 0;
  mask[0][6] = 0;
  mask[1][0] = 0;  // left padding: row 0 would see nothing
  const Tensor allowed = attention_mask(mask, 7, 7, 0, at::kCPU);
  BOOST_CHECK(allowed[1][0][0][0].item<bool>());
  BOOST_CHECK(!allowed[1][0][1][0].item<bool>());
  BOOST_CHECK(!allowed[0][0][6][5].item<bool>());
  BOOST_CHECK(!attention_mask(at::ones({2, 7}, at::kLong), 7, 7, 0, at::kCPU).defined());
  compare([&](const Tensors& t) { return Tensors{anemll::kernels::attention(t[0], t[1], t[2], allowed)}; },
          [&](const Tensors& t) { return Tensors{plain_attention(t[0], t[1], t[2], allowed)}; },
          {Leaf({2, 7, 4, 16}, at::kFloat), Leaf({2, 7, 2, 16}, at::kFloat), Leaf({2, 7, 2, 16}, at::kFloat)},
          kFloatTolerance);
}

BOOST_AUTO_TEST_CASE(queries_may_be_the_last_of_the_keys) {
  namespace generic = anemll::kernels::generic;
  struct Lengths {
    std::int64_t queries, keys;
  };
  for (const auto& [queries, keys] : {Lengths{1, 9}, Lengths{5, 70}, Lengths{66, 150}}) {
    for (const std::int64_t window : {0, 4}) {
      const Tensor allowed = attention_mask({}, queries, keys, window, at::kCPU);
      BOOST_CHECK_EQUAL(allowed.defined(), window > 0);
      const auto plain = [&](const Tensors& t) {
        return Tensors{plain_attention(t[0], t[1], t[2], allowed)};
      };
      const std::vector<Leaf> leaves{Leaf({2, queries, 4, 16}, at::kFloat),
                                     Leaf({2, keys, 2, 16}, at::kFloat), Leaf({2, keys, 2, 16}, at::kFloat)};
      compare(
          [&](const Tensors& t) { return Tensors{anemll::kernels::attention(t[0], t[1], t[2], allowed)}; },
          plain, leaves, kFloatTolerance);
      const Tensor composed = generic::attention(leaves[0].value, leaves[1].value, leaves[2].value, allowed);
      check_close(composed.detach(), plain({leaves[0].wide, leaves[1].wide, leaves[2].wide})[0].detach(),
                  kFloatTolerance, "generic");
    }
  }
}

BOOST_AUTO_TEST_CASE(masks_of_windows_and_padding) {
  const auto row = [](const Tensor& mask, std::int64_t batch, std::int64_t query) {
    std::string text;
    for (std::int64_t key = 0; key < mask.size(3); ++key)
      text += mask[batch][0][query][key].item<bool>() ? '1' : '0';
    return text;
  };
  const Tensor window = attention_mask({}, 2, 5, 3, at::kCPU);  // positions 3 and 4 of 5
  BOOST_CHECK_EQUAL(row(window, 0, 0), "01110");
  BOOST_CHECK_EQUAL(row(window, 0, 1), "00111");
  BOOST_CHECK(!attention_mask({}, 2, 5, 5, at::kCPU).defined());
  Tensor padding = at::ones({2, 5}, at::kLong);
  padding[1].narrow(0, 0, 4).zero_();
  const Tensor both = attention_mask(padding, 2, 5, 3, at::kCPU);
  BOOST_CHECK_EQUAL(row(both, 0, 0), "01110");
  BOOST_CHECK_EQUAL(row(both, 1, 0), "00010");  // it would see nothing
  BOOST_CHECK_EQUAL(row(both, 1, 1), "00001");
}

BOOST_AUTO_TEST_CASE(geglu_matches_the_formula) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    compare([](const Tensors& t) { return Tensors{anemll::kernels::geglu(t[0], t[1])}; },
            [](const Tensors& t) {
              const Tensor& x = t[0];
              const Tensor inner = (x + 0.044715 * x * x * x) * std::sqrt(2 / std::numbers::pi);
              return Tensors{0.5 * x * (1 + inner.tanh()) * t[1]};
            },
            {Leaf({3, 5, 47}, dtype), Leaf({3, 5, 47}, dtype)}, tolerance(dtype));
  }
}

BOOST_AUTO_TEST_CASE(generic_form_agrees_with_the_kernels) {
  namespace generic = anemll::kernels::generic;
  const Tensor x = at::randn({2, 5, 3, 8});
  const Tensor weight = at::randn({8});
  const Tensor angle = angles(5, 8).to(at::kFloat);
  check_close(generic::head_norm_rope(x, weight, kEps, angle.cos(), angle.sin()),
              anemll::kernels::head_norm_rope(x, weight, kEps, angle.cos(), angle.sin()).to(at::kDouble),
              kFloatTolerance, "rope");
  check_close(generic::swiglu(x, x), anemll::kernels::swiglu(x, x).to(at::kDouble), kFloatTolerance,
              "swiglu");
  check_close(generic::attention(x, x, x, {}), anemll::kernels::attention(x, x, x, {}).to(at::kDouble),
              kFloatTolerance, "attention");
  const Normed a = generic::add_rms_norm(x, x, weight, kEps, at::kFloat);
  const Normed b = anemll::kernels::add_rms_norm(x, x, weight, kEps, at::kFloat);
  check_close(a.normed, b.normed.to(at::kDouble), kFloatTolerance, "norm");
  check_close(a.sum, b.sum.to(at::kDouble), kFloatTolerance, "sum");
}

BOOST_AUTO_TEST_SUITE_END()
