// V1 layers as V2 layers: the same scales, the nearest entries, the same weights but where the two index
// rules differ.
#include "src/quant/internal/v1_to_v2.hpp"

#include "src/quant/internal/scale_factors.hpp"
#include "tests/unit/quant/v1_support.hpp"

#include <algorithm>
#include <memory>

#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kSame = 2e-5;  // fp32 division by a norm and back, and V2's magnitude epsilon

at::Tensor scales_of(const V2Draft& draft) {
  const V2Linear::Tensors& t = draft.tensors;
  return normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, false, draft.config, false).matrix();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(eight_layers_become_v2_layers) {
  for (const V1Case& c : v1_cases()) {
    const V1Linear v1("layer", c.quant(), c.layer());
    const std::int64_t smaller = std::min(v1.out(), v1.in());
    const V2Draft draft = v2_of_v1(v1, smaller, false);  // full scales at their full rank: no loss
    BOOST_TEST(relative_error(scales_of(draft), c["scales"].narrow(1, 0, v1.in())) < kSame, c.name);
    BOOST_TEST(draft.tensors.lut.equal(c["lut"]), c.name);
    BOOST_TEST(draft.tensors.bias.defined() == c.has("bias"), c.name);
    BOOST_TEST(draft.config.lut_size == c.quant().lut_size, c.name);
    BOOST_TEST(draft.config.rank == (c.numbers["low_rank"].get<bool>() ? c.quant().rank : smaller), c.name);
    BOOST_TEST(draft.warnings.size() == (c.numbers["low_rank"].get<bool>() ? 0U : 1U), c.name);
    // Both rules take an entry that lies next to the quotient.
    const at::Tensor distance = (draft.tensors.indices.to(at::kInt) - v1.snap_indices().to(at::kInt)).abs();
    BOOST_TEST(distance.max().item<int>() <= 1, c.name);
    const V2Linear v2("layer", draft.config, draft.tensors);
    const at::Tensor same = distance.eq(0).to(at::kFloat);
    BOOST_TEST(relative_error(v2.effective_weight(at::kFloat) * same, c["fake_quant_weight"] * same) < kSame,
               c.name);
  }
}

BOOST_AUTO_TEST_CASE(a_snapped_layer_keeps_its_indices) {
  for (const V1Case& c : v1_cases()) {
    const V1Linear v1("layer", c.quant(), c.layer());
    const std::unique_ptr<V1Linear> snapped = v1.snap(V1Snap::lut);
    BOOST_TEST(v2_of_v1(*snapped, 2, false).tensors.indices.equal(v1.snap_indices()), c.name);
  }
}

BOOST_AUTO_TEST_CASE(negative_scales_keep_their_sign) {
  V1Linear::Tensors tensors = random_v1(6, 8, 1, 8);
  tensors.scale_A = at::ones({6, 1}).neg();
  tensors.scale_B = at::ones({1, 8});
  tensors.weight = at::ones({6, 8}) * 0.9;
  const V2Draft draft = v2_of_v1(V1Linear("layer", {}, tensors), 1, false);
  BOOST_TEST(scales_of(draft).lt(0).all().item<bool>());
  const V2Linear v2("layer", draft.config, draft.tensors);
  BOOST_TEST(relative_error(v2.effective_weight(at::kFloat), tensors.weight) < 0.1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
