// The V1 layer against the reference's numbers: effective weights, indices, outputs, snaps and gradients of
// eight shapes; the index rule element by element; and how a layer starts.
#include "anemll/core/error.hpp"
#include "src/quant/internal/v1_type.hpp"
#include "src/quant/internal/v1_weight.hpp"
#include "tests/unit/quant/v1_support.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kReference = 1e-6;  // products of up to 12 fp32 terms in another order, relative
constexpr double kSvd = 1e-5;        // two decompositions of one matrix

std::vector<int> ints(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kInt).reshape({-1}).contiguous();
  return {flat.const_data_ptr<int>(), flat.const_data_ptr<int>() + flat.numel()};
}

/// The reference's index of one weight, in floats.
int expected_index(float weight, float scale, int size, bool split) {
  const float divisor = scale < 1e-8F ? 1e-8F : scale;
  const float z = std::min(std::max(weight / divisor, -1.0F), 1.0F);
  float position;
  if (split && z < 0) {
    position = (z + 1.0F) * static_cast<float>(size / 2);
  } else if (split) {
    const float scaled = z * static_cast<float>(size / 2 - 1);
    position = scaled + static_cast<float>(size / 2);
  } else {
    position = (z + 1.0F) / static_cast<float>(2.0 / (size - 1));
  }
  return static_cast<int>(std::nearbyint(position));
}

void check_gradients(const V1Case& c, bool weights) {
  const std::string prefix = weights ? "weights." : "scales.";
  const V1Linear::Tensors tensors = c.layer(weights, !weights);
  V1Linear layer("layer", c.quant(), tensors);
  int ready = 0;
  layer.on_gradients_ready([&] { ++ready; });
  const at::Tensor x = c["x"].set_requires_grad(true);
  const at::Tensor y = layer.forward(x);
  BOOST_TEST(relative_error(y.detach(), c["y"]) < kReference, c.name);
  y.backward(c["dy"]);
  BOOST_TEST(ready == 1);
  BOOST_TEST(relative_error(x.grad(), c[prefix + "dx"]) < kReference, c.name);
  const auto same = [&](const at::Tensor& tensor, const std::string& key) {
    if (!tensor.defined()) return;
    const bool expected = c.has(prefix + "d_" + key);
    BOOST_TEST(tensor.grad().defined() == expected, c.name + " " + key);
    if (expected)
      BOOST_TEST(relative_error(tensor.grad(), c[prefix + "d_" + key]) < kReference, c.name + " " + key);
  };
  same(tensors.weight, "weight");
  same(tensors.bias, "bias");
  same(tensors.scale_A, "scale_A");
  same(tensors.scale_B, "scale_B");
  same(tensors.full_scales, "full_scales");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(eight_shapes_have_the_reference_s_weights_indices_and_snaps) {
  const at::NoGradGuard no_grad;
  BOOST_TEST(v1_cases().size() == 8U);
  for (const V1Case& c : v1_cases()) {
    V1Linear layer("layer", c.quant(), c.layer());
    BOOST_TEST(relative_error(layer.effective_weight(at::kFloat), c["fake_quant_weight"]) < kReference,
               c.name);
    BOOST_TEST(ints(layer.snap_indices()) == ints(c["indices"]), boost::test_tools::per_element());
    BOOST_TEST(relative_error(layer.forward(c["x"]), c["y"]) < kReference, c.name);
    BOOST_TEST(relative_error(raised_scales(layer.tensors()), c["scales"].narrow(1, 0, layer.in())) <
               kReference);
    for (const V1Snap mode : {V1Snap::lut, V1Snap::baked}) {
      const std::string key = mode == V1Snap::lut ? "snap_lut." : "snap_baked.";
      const std::unique_ptr<V1Linear> snapped = layer.snap(mode);
      BOOST_TEST(relative_error(snapped->tensors().weight, c[key + "weight"]) < kReference, c.name + key);
      BOOST_TEST(relative_error(snapped->forward(c["x"]), c[key + "y"]) < kReference, c.name + key);
      // The snap's own indices, not those of a second look at snapped weights.
      BOOST_TEST(ints(snapped->snap_indices()) == ints(c["indices"]), boost::test_tools::per_element());
      BOOST_TEST((snapped->quant().snapped == mode));
      BOOST_CHECK_THROW(snapped->snap(mode), Error);
    }
  }
}

BOOST_AUTO_TEST_CASE(eight_shapes_have_the_reference_s_gradients) {
  for (const V1Case& c : v1_cases()) {
    check_gradients(c, true);
    check_gradients(c, false);
  }
}

BOOST_AUTO_TEST_CASE(indices_round_half_to_even_on_every_instruction_set_and_by_operators) {
  at::manual_seed(3);
  const std::int64_t out = 70, in = 1201;  // several blocks of rows, and no multiple of a vector
  const std::vector<std::pair<int, bool>> tables = {
      {16, true}, {16, false}, {5, true}, {4, false}, {2, false}};
  for (const auto& [size, zero] : tables) {
    const V1Table table = {at::tensor(make_lut(size, zero), at::kFloat), zero && size % 2 == 0};
    at::Tensor weight = at::randn({out, in});
    at::Tensor scale = at::randn({out, in}) + 0.5;
    // Exact ties: quotients half-way between two positions.
    const int steps = size - 1;
    for (int i = 0; i < 2 * steps; ++i) {
      weight[0][i] = static_cast<double>(i) / steps - 1.0;
      scale[0][i] = 1.0;
    }
    const at::Tensor indices = v1_indices(weight, {{}, {}, scale}, table);
    std::vector<int> expected;
    const float* w = weight.const_data_ptr<float>();
    const float* s = scale.const_data_ptr<float>();
    for (std::int64_t i = 0; i < weight.numel(); ++i)
      expected.push_back(expected_index(w[i], s[i], size, table.split));
    BOOST_TEST((ints(indices) == expected), "size " << size);
    const at::Tensor values =
        at::index_select(table.lut, 0, indices.reshape({-1}).to(at::kInt)).view({out, in});
    BOOST_TEST(v1_weight(weight, {{}, {}, scale}, table, at::kFloat).equal(values * scale.clamp_min(1e-8)));
    BOOST_TEST(v1_weight(weight, {{}, {}, scale}, table, at::kBFloat16)
                   .equal((values * scale.clamp_min(1e-8)).to(at::kBFloat16)));
  }
}

BOOST_AUTO_TEST_CASE(a_weight_that_is_not_a_number_gets_the_first_entry) {
  at::Tensor weight = at::ones({1, 3});
  weight[0][1] = std::nan("");
  const V1Table table = {lut_tensor(3), false};
  BOOST_TEST(ints(v1_indices(weight, {{}, {}, at::ones({1, 3})}, table)) == (std::vector<int>{2, 0, 2}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_layer_starts_from_the_best_factors_of_its_group_maxima) {
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  for (const V1Case& c : v1_cases()) {
    const LinearQuant quant = c.quant();
    const LinearSpec linear = c.linear();
    const LayerDraft draft = start_v1(c["weight"], quant, {});
    BOOST_TEST(draft.tensors.at(".lut").equal(c["lut"]), c.name);
    BOOST_TEST(draft.tensors.at(".weight").equal(c["weight"]), c.name);
    // All scales, padded columns among them.
    const std::int64_t padded = c.numbers["padded_in"];
    at::Tensor wide = at::zeros({linear.out, padded});
    wide.narrow(1, 0, linear.in).copy_(c["weight"]);
    const at::Tensor all = wide.abs()
                               .view({linear.out, -1, quant.group_size})
                               .amax(-1)
                               .clamp_min(1e-8)
                               .repeat_interleave(quant.group_size, 1);
    const bool full = !c.numbers["low_rank"].get<bool>();
    BOOST_TEST(draft.tensors.contains(".full_scales") == full, c.name);
    BOOST_TEST(draft.warnings.size() == (c.name == "full_by_rank" ? 1U : 0U), c.name);
    if (full) {
      BOOST_TEST(draft.tensors.at(".full_scales").equal(all), c.name);
    } else {
      const auto [u, s, vh] = at::linalg_svd(all.to(at::kDouble), false);
      const std::int64_t r = quant.rank;
      const at::Tensor best = (u.narrow(1, 0, r) * s.narrow(0, 0, r)).mm(vh.narrow(0, 0, r));
      const at::Tensor& a = draft.tensors.at(".scale_A");
      const at::Tensor& b = draft.tensors.at(".scale_B");
      BOOST_TEST(relative_error(a.mm(b), best) < kSvd, c.name);
      BOOST_TEST(relative_error(b.mm(b.t()), at::ones({r}).diag()) < kSvd, c.name);  // A has the magnitudes
    }
    for (const TensorRow& row : layer_type("v1").table(linear, quant)) {
      if (row.optional) continue;
      BOOST_REQUIRE_MESSAGE(draft.tensors.contains(row.suffix), c.name << row.suffix);
      const at::Tensor& tensor = draft.tensors.find(row.suffix)->second;
      BOOST_TEST(tensor.sizes().equals(row.shape), c.name << row.suffix);
      BOOST_TEST((tensor.scalar_type() == row.dtype));
    }
    BOOST_CHECK_NO_THROW(layer_type("v1").make(linear, quant, draft.tensors));
  }
}

BOOST_AUTO_TEST_CASE(ranks_beyond_the_groups_start_at_nothing) {
  at::manual_seed(6);
  LinearQuant quant;
  quant.type = "v1";
  quant.rank = 5;
  quant.group_size = 8;  // 10 inputs: two groups
  const LayerDraft svd = start_v1(at::randn({12, 10}), quant, {});
  BOOST_TEST(svd.tensors.at(".scale_A").narrow(1, 2, 3).eq(0).all().item<bool>());
  BOOST_TEST((svd.tensors.at(".scale_B").norm(2, {1}, true) - 1).abs().max().item<double>() < kSvd);
  InitOptions fast;
  fast.fast = true;
  const LayerDraft quick = start_v1(at::randn({12, 10}), quant, fast);
  const V1Linear layer("layer", quant,
                       {quick.tensors.at(".weight"),
                        {},
                        quick.tensors.at(".scale_A"),
                        quick.tensors.at(".scale_B"),
                        {},
                        quick.tensors.at(".lut")});
  BOOST_TEST(relative_norm(layer.effective_weight(at::kFloat), layer.tensors().weight) < 0.5);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
