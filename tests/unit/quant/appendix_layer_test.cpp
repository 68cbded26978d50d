// A 3 x 4 layer computed once with the Python reference (PyTorch 1.13, CPU, fp32): its forward with rounding
// to half is reproduced bit for bit in both orderings, its gradients to the digits that were printed.
#include "tests/unit/quant/support.hpp"

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kPrinted = 2e-8;  // eight decimals were printed
// fp32 sums in another order: processors add up in vectors of their own width. Two last bits of values up
// to 2.
constexpr double kForward = kPrinted + 0x1p-22;
constexpr double kGradient = 3e-7;  // fp32 sums in another order than the reference's
constexpr double kMaterialised =
    2e-3;  // half rounding at fewer points: the noise between the orderings is 1e-3

struct Sample {
  V2Config config;
  V2Linear::Tensors tensors;
  at::Tensor x = floats({.1F, -.2F, .3F, .7F, 1.5F, .25F, -1.F, 2.F}, {2, 4});
  at::Tensor dy = floats({1.F, -1.F, .5F, .25F, 2.F, -1.F}, {2, 3});

  Sample() {
    config.lut_size = 4;
    config.rank = 2;
    tensors.scale_A = floats({1, 2, 2, -1, 2, 2}, {3, 2}).set_requires_grad(true);
    tensors.scale_B = floats({1, 1, 1, 1, 1, -1, .5F, 2}, {2, 4}).set_requires_grad(true);
    tensors.rank_magnitude = floats({1.2345678F, .1F}, {2}).set_requires_grad(true);
    tensors.lut = lut_tensor(4);
    tensors.indices = at::tensor({0, 0, 2, 3, 2, 3, 0, 1, 1, 2, 3, 0}, at::kByte).view({3, 4});
    x.set_requires_grad(true);
  }
};

const at::Tensor kSte =
    floats({.2158203125F, -.282958984375F, -.2381591796875F, .05169677734375F, .453369140625F, -1.541015625F},
           {2, 3});

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

void check_ste_gradients(const Sample& s) {
  BOOST_TEST(distance(s.tensors.scale_A.grad(),
                      floats({-.11494137F, -.01552898F, -.00210398F, .00928593F, .05957454F, .02017194F},
                             {3, 2})) < kGradient);
  BOOST_TEST(distance(s.tensors.scale_B.grad(), floats({-.16662851F, -.39748570F, .75696594F, -.19285178F,
                                                        -.04108585F, .01964512F, -.01376659F, .03380713F},
                                                       {2, 4})) < kGradient);
  BOOST_TEST(distance(s.tensors.rank_magnitude.grad(), floats({2.15732837F, 1.77673340F}, {2})) < kGradient);
  BOOST_TEST(distance(s.x.grad(), floats({-.43813103F, -.53958672F, .69010615F, .15495737F, .35349229F,
                                          .67634511F, -1.21587062F, .27282575F},
                                         {2, 4})) < kGradient);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(appendix_ste_loop_and_batched_are_the_reference_bit_for_bit) {
  for (const ForwardMode mode : {ForwardMode::loop, ForwardMode::batched}) {
    Sample s;
    V2Linear layer("sample", s.config, s.tensors);
    layer.set_numerics({mode, true});
    const at::Tensor y = layer.forward(s.x);
    BOOST_TEST(y.equal(kSte));
    y.backward(s.dy);
    check_ste_gradients(s);
  }
}

BOOST_AUTO_TEST_CASE(appendix_without_ste) {
  const at::Tensor expected =
      floats({.21586299F, -.28299224F, -.23822588F, .05170713F, .45356631F, -1.54168487F}, {2, 3});
  for (const ForwardMode mode : {ForwardMode::loop, ForwardMode::batched, ForwardMode::materialised}) {
    Sample s;
    V2Linear layer("sample", s.config, s.tensors);
    layer.set_numerics({mode, false});
    const at::Tensor y = layer.forward(s.x);
    BOOST_TEST(distance(y, expected) < kForward);
    y.backward(s.dy);
    BOOST_TEST(distance(s.tensors.rank_magnitude.grad(), floats({2.15767813F, 1.77682614F}, {2})) <
               kGradient);
    BOOST_TEST(distance(s.tensors.scale_A.grad()[0], floats({-.11507772F, -.01554069F}, {2})) < kGradient);
  }
}

BOOST_AUTO_TEST_CASE(appendix_automatic_is_the_loop_below_rank_16) {
  Sample s;
  V2Linear layer("sample", s.config, s.tensors);
  layer.set_numerics({ForwardMode::automatic, true});
  BOOST_TEST(layer.forward(s.x).equal(kSte));
}

BOOST_AUTO_TEST_CASE(appendix_materialised_ste_is_within_half_noise) {
  Sample s;
  V2Linear layer("sample", s.config, s.tensors);
  layer.set_numerics({ForwardMode::materialised, true});
  const at::Tensor y = layer.forward(s.x);
  BOOST_TEST(relative_error(y, kSte) < kMaterialised);
  y.backward(s.dy);
  BOOST_TEST(distance(s.tensors.rank_magnitude.grad(), floats({2.15732837F, 1.77673340F}, {2})) <
             kMaterialised);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
