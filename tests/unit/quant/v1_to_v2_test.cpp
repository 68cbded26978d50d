// V1 layers as V2 layers: the reference's own conversion, the same scales, the nearest entries, the same
// weights but where the two index rules differ.
#include "src/quant/v1_to_v2.hpp"

#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/internal/v2_type.hpp"
#include "tests/unit/quant/v1_support.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr double kSame = 2e-5;  // fp32 division by a norm and back, and V2's magnitude epsilon

LayerTensors by_suffix(const V1Linear::Tensors& t) {
  LayerTensors tensors;
  const auto add = [&tensors](const char* suffix, const at::Tensor& tensor) {
    if (tensor.defined()) tensors[suffix] = tensor;
  };
  add(".weight", t.weight);
  add(".bias", t.bias);
  add(".scale_A", t.scale_A);
  add(".scale_B", t.scale_B);
  add(".full_scales", t.full_scales);
  add(".lut", t.lut);
  return tensors;
}

at::Tensor scales_of(const V2OfV1& v2) {
  const LayerTensors& t = v2.tensors;
  return normalise_scales(t.at(".scale_A"), t.at(".scale_B"), t.at(".rank_magnitude"), false, V2Config(),
                          false)
      .matrix();
}

std::unique_ptr<QuantLayer> layer_of(const LinearSpec& linear, const LinearQuant& quant, const V2OfV1& v2) {
  return layer_type("v2").make(linear, quant, v2.tensors);
}

std::int64_t smaller_side(const LinearSpec& linear) {
  return std::min(linear.out, linear.in);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(four_layers_become_what_the_reference_made_of_them) {
  const TensorMap golden_tensors = read_safetensors(golden("quant/v1_to_v2.safetensors")).tensors;
  TensorMap v1;
  for (const auto& [name, tensor] : golden_tensors) {
    if (name.starts_with("v1.")) v1.set(name.substr(3), tensor);
  }
  std::size_t layers = 0;
  for (const auto& [name, weight] : v1) {
    if (!name.ends_with(".weight")) continue;
    ++layers;
    const LinearSpec linear = {name.substr(0, name.rfind('.')), weight.shape[0], weight.shape[1], true,
                               false};
    const auto find = [&v1](const std::string& key) { return v1.find(key); };
    const LinearQuant from = recognise_layer(find, linear.name, "v1.pt").value();
    BOOST_TEST(from.type == "v1");
    const V2OfV1 v2 = v2_of_v1(linear, from, layer_type("v1").read(v1, linear, from, false, "v1.pt").tensors,
                               32, /*ste=*/false);
    const auto expected = [&](const char* suffix) {
      return as_torch(*golden_tensors.find("v2." + linear.name + suffix));
    };
    for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude"}) {
      BOOST_REQUIRE((v2.tensors.at(suffix).sizes() == expected(suffix).sizes()));
      BOOST_TEST(relative_error(v2.tensors.at(suffix), expected(suffix)) < 1e-6, linear.name + suffix);
    }
    BOOST_TEST(v2.tensors.at(".lut").equal(as_torch(*v1.find(linear.name + ".lut"))), linear.name);
    BOOST_TEST(v2.weight.equal(as_torch(weight)), linear.name);
    // One weight may lie between two entries but for the last bits of its scale.
    BOOST_TEST(v2.tensors.at("._indices").ne(expected("._indices")).sum().item<std::int64_t>() <= 1,
               linear.name);
  }
  BOOST_TEST(layers == 4U);
}

BOOST_AUTO_TEST_CASE(eight_layers_become_v2_layers) {
  for (const V1Case& c : v1_cases()) {
    const LinearSpec linear = c.linear();
    const bool low_rank = c.numbers["low_rank"].get<bool>();
    const std::int64_t smaller = smaller_side(linear);
    const V1Linear v1("layer", c.quant(), c.layer());
    // Full scales at their full rank: no loss.
    const V2OfV1 v2 = v2_of_v1(linear, v1.quant(), by_suffix(c.layer()), smaller, false);
    const LinearQuant quant = v2_quant_of_v1(linear, v1.quant(), smaller);
    BOOST_TEST(quant.type == "v2");
    BOOST_TEST(quant.lut_size == c.quant().lut_size, c.name);
    BOOST_TEST(quant.rank == (low_rank ? c.quant().rank : smaller), c.name);
    BOOST_TEST(v2.tensors.at(".rank_magnitude").numel() == quant.rank, c.name);
    BOOST_TEST(v2.factor_error.has_value() == !low_rank, c.name);
    if (v2.factor_error) BOOST_TEST(*v2.factor_error < kSame, c.name);
    BOOST_TEST(relative_error(scales_of(v2), c["scales"].narrow(1, 0, v1.in())) < kSame, c.name);
    BOOST_TEST(v2.tensors.at(".lut").equal(c["lut"]), c.name);
    BOOST_TEST(v2.tensors.contains(".bias") == c.has("bias"), c.name);
    // Both rules take an entry that lies next to the quotient.
    const at::Tensor distance =
        (v2.tensors.at("._indices").to(at::kInt) - v1.snap_indices().to(at::kInt)).abs();
    BOOST_TEST(distance.max().item<int>() <= 1, c.name);
    const at::Tensor same = distance.eq(0).to(at::kFloat);
    const at::Tensor weight = layer_of(linear, quant, v2)->effective_weight(at::kFloat);
    BOOST_TEST(relative_error(weight * same, c["fake_quant_weight"] * same) < kSame, c.name);
  }
}

BOOST_AUTO_TEST_CASE(full_scales_of_a_smaller_rank_tell_their_error) {
  std::size_t full = 0;
  for (const V1Case& c : v1_cases()) {
    if (c.numbers["low_rank"].get<bool>()) continue;
    ++full;
    const V1Linear v1("layer", c.quant(), c.layer());
    const V2OfV1 v2 = v2_of_v1(c.linear(), v1.quant(), by_suffix(c.layer()), 1, false);
    BOOST_TEST(v2.tensors.at(".rank_magnitude").numel() == 1, c.name);
    const at::Tensor scales = raised_scales(c.layer());
    BOOST_TEST(std::abs(*v2.factor_error - relative_norm(scales_of(v2), scales)) < 1e-4, c.name);
    BOOST_TEST(*v2.factor_error < 1.0, c.name);
  }
  BOOST_TEST(full > 0U);
}

BOOST_AUTO_TEST_CASE(a_snapped_layer_keeps_its_indices) {
  for (const V1Case& c : v1_cases()) {
    const V1Linear v1("layer", c.quant(), c.layer());
    const std::unique_ptr<V1Linear> snapped = v1.snap(V1Snap::lut);
    const V2OfV1 v2 = v2_of_v1(c.linear(), snapped->quant(), by_suffix(snapped->tensors()),
                               smaller_side(c.linear()), false);
    // But where its scale was raised to 1e-8: V2's scale there has another size.
    const at::Tensor raised = raised_scales(c.layer()).le(1e-8);
    const at::Tensor same = v2.tensors.at("._indices").eq(v1.snap_indices());
    BOOST_TEST(same.logical_or(raised).all().item<bool>(), c.name);
    BOOST_TEST(v2.weight.equal(snapped->effective_weight(at::kFloat)), c.name);
  }
}

BOOST_AUTO_TEST_CASE(negative_scales_keep_their_sign) {
  V1Linear::Tensors tensors = random_v1(6, 8, 1, 8);
  tensors.scale_A = at::ones({6, 1}).neg();
  tensors.scale_B = at::ones({1, 8});
  tensors.weight = at::ones({6, 8}) * 0.9;
  const LinearSpec linear = {"layer", 6, 8, true, false};
  const V1Linear v1("layer", {}, tensors);
  const V2OfV1 v2 = v2_of_v1(linear, v1.quant(), by_suffix(tensors), 1, false);
  BOOST_TEST(scales_of(v2).lt(0).all().item<bool>());
  const auto layer = layer_of(linear, v2_quant_of_v1(linear, v1.quant(), 1), v2);
  BOOST_TEST(relative_error(layer->effective_weight(at::kFloat), tensors.weight) < 0.1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
