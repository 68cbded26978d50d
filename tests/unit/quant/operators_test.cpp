// What other devices than the CPU run, held against the CPU's kernels. The numbers are small multiples of
// powers of two: no sum or product of them rounds, so the order of a sum is of no matter and the bits must be
// equal.
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/internal/v1_weight.hpp"
#include "tests/unit/quant/support.hpp"

#include <utility>

#include <ATen/ops/ones_like.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

// Several blocks of rows, and no multiple of a vector.
constexpr std::int64_t kOut = 70, kIn = 1201, kRank = 3;
// The CPU makes the gradients of a bf16 weight by bf16 products, which keep 8 bits; the other way keeps 24.
constexpr double kBf16 = 1.0 / 256;

at::Tensor eighths(at::IntArrayRef shape) {
  return at::randint(-8, 9, shape, at::kFloat).div(8);
}

at::Tensor table() {
  return test::floats({-1.0F, -0.25F, 0.5F, 1.0F}, {4});
}

struct Look {
  at::Tensor indices = at::randint(0, 4, {kOut, kIn}, at::kByte), lut = table();
  at::Tensor a = eighths({kOut, kRank}), b = eighths({kRank, kIn});
};

}  // namespace

BOOST_AUTO_TEST_SUITE(operators)

BOOST_AUTO_TEST_CASE(look_ups_and_their_scaled_form_are_those_of_the_cpu) {
  const Look l;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    BOOST_TEST(by_operators::lut_values(l.indices, l.lut, type).equal(lut_values(l.indices, l.lut, type)));
    const at::Tensor scaled = by_operators::lut_scaled(l.indices, l.lut, l.a, l.b, type);
    BOOST_TEST((scaled.scalar_type() == type));
    BOOST_TEST(scaled.equal(lut_scaled(l.indices, l.lut, l.a, l.b, type)));
  }
}

BOOST_AUTO_TEST_CASE(gradients_of_factors_are_those_of_the_cpu) {
  const Look l;
  const at::Tensor dw = eighths({kOut, kIn});
  const FactorGradients cpu = lut_scaled_backward(l.indices, l.lut, l.a, l.b, dw, true, true);
  const FactorGradients ours = by_operators::lut_scaled_backward(l.indices, l.lut, l.a, l.b, dw, true, true);
  BOOST_TEST(ours.a.equal(cpu.a));
  BOOST_TEST(ours.b.equal(cpu.b));
  const at::Tensor half = dw.to(at::kBFloat16);
  const FactorGradients rounded = lut_scaled_backward(l.indices, l.lut, l.a, l.b, half, true, true);
  const FactorGradients wide =
      by_operators::lut_scaled_backward(l.indices, l.lut, l.a, l.b, half, true, true);
  BOOST_TEST((wide.a.scalar_type() == at::kFloat));
  BOOST_TEST(test::relative_norm(wide.a, rounded.a) < kBf16);
  BOOST_TEST(test::relative_norm(wide.b, rounded.b) < kBf16);
  for (const bool need_a : {true, false}) {
    const FactorGradients one =
        by_operators::lut_scaled_backward(l.indices, l.lut, l.a, l.b, dw, need_a, !need_a);
    BOOST_TEST(one.a.defined() == need_a);
    BOOST_TEST(one.b.defined() != need_a);
    BOOST_TEST((need_a ? one.a.equal(cpu.a) : one.b.equal(cpu.b)));
  }
}

BOOST_AUTO_TEST_CASE(v1_layers_are_those_of_the_cpu) {
  const at::Tensor weight = eighths({kOut, kIn}), dw = eighths({kOut, kIn});
  // A third of the scales is below the smallest that is used.
  const V1Scales factors = {eighths({kOut, kRank}), eighths({kRank, kIn}), {}};
  const V1Scales all = {{}, {}, eighths({kOut, kIn}) + 0.25};
  BOOST_TEST(all.full.le(0).any().item<bool>());
  for (const bool split : {false, true}) {
    const V1Table grid = {table(), split};
    for (const V1Scales& scales : {factors, all}) {
      BOOST_TEST(by_operators::v1_indices(weight, scales, grid).equal(v1_indices(weight, scales, grid)));
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        BOOST_TEST(
            by_operators::v1_weight(weight, scales, grid, type).equal(v1_weight(weight, scales, grid, type)));
        const auto gradients = [&](auto backward) {
          V1ScaleGradients into;
          for (const auto& [from, to] :
               {std::pair(&V1Scales::a, &V1ScaleGradients::a), std::pair(&V1Scales::b, &V1ScaleGradients::b),
                std::pair(&V1Scales::full, &V1ScaleGradients::full)}) {
            if ((scales.*from).defined())
              into.*to = at::ones_like(scales.*from);  // what is there is added to
          }
          backward(weight, scales, grid, dw.to(type), into);
          return into;
        };
        const V1ScaleGradients cpu = gradients(v1_scale_backward);
        const V1ScaleGradients ours = gradients(by_operators::v1_scale_backward);
        if (scales.full.defined()) {
          BOOST_TEST(ours.full.equal(cpu.full));
        } else {
          BOOST_TEST(ours.a.equal(cpu.a));
          BOOST_TEST(ours.b.equal(cpu.b));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
