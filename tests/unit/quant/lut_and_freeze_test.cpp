// Tables bit for bit, the nearest-entry rule with its corner cases, and rounding to half.
#include "anemll/core/error.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/ste.hpp"
#include "tests/unit/quant/support.hpp"

#include <cmath>
#include <limits>

#include <ATen/Context.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <boost/test/unit_test.hpp>
#include <c10/util/Half.h>

namespace anemll::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<int> bits_of(const std::vector<float>& values) {
  std::vector<int> bits;
  for (const float v : values) {
    const c10::Half half(v);
    BOOST_TEST(static_cast<float>(half) == v);  // every entry is a half
    bits.push_back(half.x);
  }
  return bits;
}

std::vector<int> indices_of(const std::vector<float>& weights, const std::vector<float>& scales,
                            const std::vector<float>& lut) {
  const FrozenIndices frozen = freeze_indices(at::tensor(weights, at::kFloat), at::tensor(scales, at::kFloat),
                                              at::tensor(lut, at::kFloat));
  std::vector<int> result;
  for (std::int64_t i = 0; i < frozen.indices.numel(); ++i) result.push_back(frozen.indices[i].item<int>());
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(lut_bit_patterns_are_the_reference_s) {
  const std::vector<int> expected = {0xbc00, 0xbaef, 0xb9de, 0xb8cd, 0xb778, 0xb556, 0xb268, 0xac48,
                                     0x2c48, 0x3268, 0x3556, 0x3778, 0x38cd, 0x39de, 0x3aef, 0x3c00};
  BOOST_TEST(bits_of(make_lut(16)) == expected, boost::test_tools::per_element());
  BOOST_TEST(make_lut(2) == (std::vector<float>{-1, 1}), boost::test_tools::per_element());
  BOOST_TEST(make_lut(4) == (std::vector<float>{-1, -.33349609375F, .33349609375F, 1}),
             boost::test_tools::per_element());
  BOOST_TEST(make_lut(8) == (std::vector<float>{-1, -.71435546875F, -.4287109375F, -.14306640625F,
                                                .14306640625F, .4287109375F, .71435546875F, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lut_with_zero) {
  const std::vector<float> expected = {
      -1, -.875F,         -.75F,         -.625F,         -.5F,         -.375F,        -.25F,       -.125F,
      0,  .142822265625F, .28564453125F, .428466796875F, .5712890625F, .71435546875F, .857421875F, 1};
  BOOST_TEST(make_lut(16, true) == expected, boost::test_tools::per_element());
  BOOST_TEST(make_lut(5, true) == (std::vector<float>{-1, -.5F, 0, .5F, 1}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lut_size_is_checked) {
  BOOST_CHECK_THROW(make_lut(1), Error);
  BOOST_CHECK_THROW(make_lut(257), Error);
}

BOOST_AUTO_TEST_CASE(freeze_clamps_and_breaks_ties_downwards) {
  const std::vector<float> lut = {-1, -.5F, .5F, 1};
  const std::vector<float> ones(7, 1.0F);
  BOOST_TEST(
      indices_of({-3, -.75F, -.74F, 0, .01F, .75F, 9}, ones, lut) == (std::vector<int>{0, 0, 1, 1, 2, 2, 3}),
      boost::test_tools::per_element());
  // negative scales flip the sign; the clamp is to the table's range, not to [-1, 1]
  BOOST_TEST(
      indices_of({3, -3, 1.9F, 1.1F}, {-1, -1, 1, 1}, {-.7F, .8F, 1.5F, 2}) == (std::vector<int>{0, 3, 3, 1}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(freeze_of_infinite_nan_and_tiny_quotients) {
  const at::Tensor lut = at::tensor({-1.F, -.5F, .5F, 1.F}, at::kFloat);
  const at::Tensor weights = at::tensor({kInf, -kInf, kNan, 1.F, -1.F, 0.F, 1.F, 1.F}, at::kFloat);
  const at::Tensor scales = at::tensor({1.F, 1.F, 1.F, 0.F, 0.F, 0.F, -1e-9F, kNan}, at::kFloat);
  const FrozenIndices frozen = freeze_indices(weights, scales, lut);
  const at::Tensor expected = at::tensor({3, 0, 0, 3, 0, 1, 0, 0}, at::kByte);
  BOOST_TEST(frozen.indices.equal(expected));
  BOOST_TEST(frozen.nan == 2);
  BOOST_TEST(frozen.tiny_scale == 4);
  const std::vector<std::string> warnings = freeze_warnings(frozen);
  BOOST_REQUIRE(warnings.size() == 2U);
  BOOST_TEST(warnings[0].starts_with("2 of 8 weights "), warnings[0]);
  BOOST_TEST(warnings[1].starts_with("4 of 8 weights "), warnings[1]);
}

BOOST_AUTO_TEST_CASE(a_scale_here_and_there_may_be_tiny) {
  const at::Tensor lut = at::tensor({-1.F, -.5F, .5F, 1.F}, at::kFloat);
  at::Tensor scales = at::ones({2000});
  const at::Tensor weights = at::zeros({2000});
  scales.narrow(0, 7, 2).zero_();
  BOOST_TEST(freeze_warnings(freeze_indices(weights, scales, lut)).empty());
  scales.narrow(0, 7, 3).zero_();
  BOOST_TEST(freeze_warnings(freeze_indices(weights, scales, lut)).size() == 1U);
}

BOOST_AUTO_TEST_CASE(freeze_is_the_first_minimum_of_all_distances) {
  at::manual_seed(3);
  for (const std::int64_t n : {2, 3, 4, 16, 40}) {
    const at::Tensor lut = lut_tensor(n);
    const at::Tensor weights = at::randn({64, 700});
    const at::Tensor scales = at::randn({64, 700});
    const at::Tensor z = (weights / scales).clamp(-1, 1);
    const at::Tensor expected = (z.unsqueeze(-1) - lut).abs().argmin(-1);
    BOOST_TEST(freeze_indices(weights, scales, lut).indices.to(at::kLong).equal(expected));
  }
}

BOOST_AUTO_TEST_CASE(stored_values_give_their_indices_back) {
  const at::Tensor lut = lut_tensor(16);
  const at::Tensor indices = at::randint(0, 16, {20, 30}, at::kByte);
  const at::Tensor q = lut.index_select(0, indices.reshape({-1}).to(at::kInt)).view({20, 30});
  const MatchedIndices matched = match_values(q, lut);
  BOOST_TEST(matched.indices.equal(indices));
  BOOST_TEST(matched.largest_error == 0.0);
  q[3][4] = .1F;
  BOOST_TEST(match_values(q, lut).largest_error > .03);
  q[3][4] = kNan;
  BOOST_TEST(std::isinf(match_values(q, lut).largest_error));
}

BOOST_AUTO_TEST_CASE(ste_rounds_to_half_with_the_gradient_of_the_identity) {
  const std::vector<float> in = {1e-9F, 3e-8F, 1.0001F, 7e4F, -1e6F};
  const std::vector<float> out = {0, 5.9604645e-8F, 1, 65504, -65504};
  const at::Tensor x = at::tensor(in, at::kFloat).set_requires_grad(true);
  const at::Tensor y = round_half_ste(x);
  BOOST_TEST(y.equal(at::tensor(out, at::kFloat)));
  y.sum().backward();
  BOOST_TEST(x.grad().equal(at::ones_like(x)));
  BOOST_TEST(std::isnan(round_half(at::tensor({kNan}, at::kFloat)).item<float>()));
}

BOOST_AUTO_TEST_CASE(ste_in_bfloat16_stays_finite) {
  const at::Tensor x = at::tensor({1e30F, -1e30F, 1.5F}, at::kFloat).to(at::kBFloat16);
  const at::Tensor y = round_half(x).to(at::kFloat);
  BOOST_TEST(y.equal(at::tensor({65280.F, -65280.F, 1.5F}, at::kFloat)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
