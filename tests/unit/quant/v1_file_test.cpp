// V1 layers out of the reference's checkpoints and back: recognition by tensors, keys in order, what is
// refused, and what config.json adds.
#include "src/quant/internal/v1_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/quant/presets.hpp"
#include "src/quant/internal/v1_type.hpp"
#include "tests/unit/quant/v1_support.hpp"

#include <cmath>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

constexpr const char* kFile = "v1.pt";

const V1Case& case_of(const char* name) {
  static const std::vector<V1Case> all = v1_cases();
  for (const V1Case& c : all) {
    if (c.name == name) return c;
  }
  throw std::logic_error("no such case");
}

TensorMap state_of(const V1Case& c) {
  TensorMap state;
  for (const LazyTensor& entry : v1_entries(V1Linear("layer", c.quant(), c.layer())))
    state.set(entry.name, entry.make());
  return state;
}

std::optional<LinearQuant> recognised(const TensorMap& state) {
  return recognise_layer([&state](const std::string& name) { return state.find(name); }, "layer", kFile);
}

/// The message of the data error that reading ends with.
std::string failure(const V1Case& c, const TensorMap& state, V1Snap snapped = V1Snap::none) {
  try {
    LinearQuant quant = recognised(state).value();
    quant.snapped = snapped;
    read_v1(state, c.linear(), quant, false, kFile);
  } catch (const Error& error) {
    BOOST_TEST((error.code() == ExitCode::data));
    BOOST_TEST(!error.hint().empty());
    BOOST_TEST(error.where() == kFile);
    return error.problem() + " / " + error.hint();
  }
  return {};
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string failure_with(const V1Case& c, const std::string& suffix, const at::Tensor& tensor) {
  TensorMap state = state_of(c);
  state.set("layer" + suffix, as_host(tensor));
  return failure(c, state);
}

V1Snap snapped_of(const std::string& config) {
  const TempDir folder;
  std::ofstream(folder / "config.json") << config;
  return read_quant_config(folder / "config.json").snapped;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(a_layer_is_recognised_and_goes_to_a_file_and_back) {
  const TempDir folder;
  for (const V1Case& c : v1_cases()) {
    const V1Linear layer("layer", c.quant(), c.layer());
    write_torch_file(folder / kFile, layer.checkpoint_entries({}, true));
    const TensorMap state = read_state_dict(folder / kFile);
    std::vector<std::string> order = {"layer.weight"};
    if (c.has("bias")) order.push_back("layer.bias");
    if (c.numbers["low_rank"].get<bool>()) order.insert(order.end(), {"layer.scale_A", "layer.scale_B"});
    if (!c.numbers["low_rank"].get<bool>()) order.push_back("layer.full_scales");
    order.push_back("layer.lut");
    std::vector<std::string> written;
    for (const auto& [key, tensor] : state) written.push_back(key);
    BOOST_TEST(written == order, boost::test_tools::per_element());

    const std::optional<LinearQuant> found = recognised(state);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST(found->type == "v1");
    BOOST_TEST(found->lut_size == c.quant().lut_size);
    BOOST_TEST(found->rank == (c.numbers["low_rank"].get<bool>() ? c.quant().rank : 0));
    BOOST_TEST(found->padded_in == c.numbers["padded_in"].get<std::int64_t>());
    const LayerDraft draft = read_v1(state, c.linear(), *found, false, kFile);
    BOOST_TEST(draft.warnings.empty());
    BOOST_TEST(!draft.had_q);
    for (const std::string& key : order)
      BOOST_TEST(draft.tensors.at(key.substr(5)).equal(c[key.substr(6)]), c.name << key);
    const auto again = layer_type("v1").make(c.linear(), *found, draft.tensors);
    BOOST_TEST(again->effective_weight(at::kFloat).equal(layer.effective_weight(at::kFloat)), c.name);
  }
}

BOOST_AUTO_TEST_CASE(a_native_state_keeps_what_a_snapped_weight_holds) {
  const V1Case& c = case_of("padded");
  for (const V1Snap mode : {V1Snap::lut, V1Snap::baked}) {
    const auto snapped = V1Linear("layer", c.quant(), c.layer()).snap(mode);
    TensorMap state;
    for (const LayerTensor& tensor : snapped->tensor_table()) {
      if (tensor.slot->defined()) state.set("layer" + std::string(tensor.row.suffix), as_host(*tensor.slot));
    }
    const std::optional<LinearQuant> found = recognised(state);
    BOOST_REQUIRE(found.has_value());
    BOOST_TEST((found->snapped == mode));
    const auto find = [&state](const std::string& name) { return state.find(name); };
    const LayerType& type = layer_type("v1");
    const auto again = type.make(c.linear(), *found,
                                 tensors_of_state(type.table(c.linear(), *found), "layer", find, "state"));
    BOOST_TEST(again->effective_weight(at::kFloat).equal(snapped->effective_weight(at::kFloat)));
    state.set("layer._snapped_mode", as_host(at::full({1}, 3, at::kChar)));
    BOOST_CHECK_THROW(recognised(state), Error);
  }
}

BOOST_AUTO_TEST_CASE(v2_layers_are_not_taken_for_v1) {
  const TensorMap v2 = read_state_dict(golden("nano/v2_q2a4_init.pt"));
  const auto find = [&v2](const std::string& name) { return v2.find(name); };
  BOOST_TEST(recognise_layer(find, "model.layers.0.self_attn.k_proj", "v2")->type == "v2");
  TensorMap float_alone;
  float_alone.set("layer.weight", as_host(at::ones({2, 2})));
  BOOST_TEST(!recognised(float_alone).has_value());
}

BOOST_AUTO_TEST_CASE(half_files_are_widened) {
  const V1Case& c = case_of("lowrank");
  TensorMap state = state_of(c);
  for (const char* suffix : {".weight", ".scale_A", ".scale_B", ".lut"})
    state.set(std::string("layer") + suffix, as_host(c[suffix + 1].to(at::kBFloat16)));
  const LayerDraft draft = read_v1(state, c.linear(), recognised(state).value(), false, kFile);
  BOOST_TEST(draft.tensors.at(".weight").equal(c["weight"].to(at::kBFloat16).to(at::kFloat)));
  BOOST_TEST((draft.tensors.at(".lut").scalar_type() == at::kFloat));
}

BOOST_AUTO_TEST_CASE(bad_files_are_data_errors_that_name_the_key) {
  const V1Case& low = case_of("padded");       // 8 x 10, rank 2, padded to 12
  const V1Case& full = case_of("full_rank0");  // 8 x 12
  BOOST_TEST(mentions(failure_with(low, ".weight", at::ones({8, 9})), "layer.weight is"));
  BOOST_TEST(mentions(failure_with(low, ".scale_A", at::ones({7, 2})), "layer.scale_A is"));
  BOOST_TEST(mentions(failure_with(low, ".scale_B", at::ones({3, 12})), "layer.scale_B is"));
  BOOST_TEST(mentions(failure_with(low, ".scale_B", at::ones({2, 9})), "more columns"));
  BOOST_TEST(mentions(failure_with(low, ".scale_B", at::ones({12})), "expected 2 dimensions"));
  BOOST_TEST(mentions(failure_with(low, ".bias", at::ones({3})), "layer.bias is"));
  BOOST_TEST(mentions(failure_with(low, ".lut", at::ones({4})), "ascending"));
  BOOST_TEST(mentions(failure_with(low, ".lut", at::ones({1})), "ascending"));
  BOOST_TEST(mentions(failure_with(low, ".lora_A", at::ones({1, 10})), "adapters are not read"));
  BOOST_TEST(mentions(failure_with(low, ".full_scales", at::ones({8, 12})), "not both"));
  BOOST_TEST(mentions(failure_with(full, ".full_scales", at::ones({8, 11})), "more columns"));
  BOOST_TEST(mentions(failure_with(full, ".full_scales", at::full({8, 12}, std::nan(""))),
                      "layer.full_scales holds values that are not numbers"));
  TensorMap large = state_of(low);  // as many ranks as rows
  large.set("layer.scale_A", as_host(at::ones({8, 8})));
  large.set("layer.scale_B", as_host(at::ones({8, 12})));
  BOOST_TEST(mentions(failure(low, large), "means full_scales"));
  for (const char* suffix : {".lut", ".scale_B"}) {
    TensorMap state = state_of(low);
    state.erase(std::string("layer") + suffix);
    BOOST_TEST(mentions(failure(low, state), std::string("missing key layer") + suffix));
  }
  TensorMap no_weight = state_of(full);
  no_weight.erase("layer.weight");
  BOOST_TEST(mentions(failure(full, no_weight), "missing key layer.weight"));
  // Weights that are no table values, though config.json says so.
  BOOST_TEST(mentions(failure(low, state_of(low), V1Snap::lut), "away from every entry of its lut"));
  TensorMap snapped = state_of(low);
  snapped.set("layer.weight", as_host(low["snap_lut.weight"]));
  BOOST_TEST(failure(low, snapped, V1Snap::lut).empty());
}

BOOST_AUTO_TEST_CASE(a_stored_effective_weight_is_compared) {
  const V1Case& c = case_of("lowrank");
  TensorMap state = state_of(c);
  state.set("layer._cached_weight_q", as_host(c["fake_quant_weight"].to(at::kBFloat16)));
  const LinearQuant quant = recognised(state).value();
  BOOST_TEST(read_v1(state, c.linear(), quant, false, kFile).warnings.empty());
  state.set("layer._cached_weight_q", as_host(at::zeros({8, 12})));
  const auto warnings = read_v1(state, c.linear(), quant, false, kFile).warnings;
  BOOST_REQUIRE(warnings.size() == 1U);
  BOOST_TEST(mentions(warnings[0], "layer._cached_weight_q differs"), warnings[0]);
}

BOOST_AUTO_TEST_CASE(config_json_tells_what_a_weight_holds) {
  BOOST_TEST((snapped_of("{}") == V1Snap::none));
  BOOST_TEST((snapped_of(R"({"snapped_mode": "lut"})") == V1Snap::lut));
  BOOST_TEST((snapped_of(R"({"snapped_mode": "baked", "snapped": false})") == V1Snap::baked));
  BOOST_TEST((snapped_of(R"({"snapped": true, "snap_bake_scales": false})") == V1Snap::lut));
  BOOST_TEST((snapped_of(R"({"snapped": true, "snap_bake_scales": true})") == V1Snap::baked));
  BOOST_TEST((snapped_of(R"({"snapped": false, "snap_bake_scales": true})") == V1Snap::none));
  BOOST_CHECK_THROW(snapped_of(R"({"snapped_mode": "half"})"), Error);

  // Numbers of V1's own file mean other things than those of V2's; tensors tell.
  const V1Case& c = case_of("padded");
  TensorMap state = state_of(c);
  const TempDir folder;
  std::ofstream(folder / "config.json")
      << R"({"lut_size": 16, "group_size": 4, "scale_rank": 0, "attn_scale_rank": -1, "quantize_attn": true,
             "snapped_mode": "baked"})";
  const QuantConfigKeys keys = read_quant_config(folder / "config.json");
  const LinearSpec linear = {"layer", 8, 10, true, true};
  QuantRequest request;
  request.linears = {&linear, 1};
  request.checkpoint = &state;
  request.checkpoint_file = kFile;
  request.keys = &keys;
  const LinearQuant quant = resolve_quant(request).spec.of("layer");
  BOOST_TEST(quant.type == "v1");
  BOOST_TEST(quant.rank == 2);
  BOOST_TEST(quant.lut_size == 16);
  BOOST_TEST(quant.group_size == 4);
  BOOST_TEST(quant.padded_in == 12);
  BOOST_TEST((quant.snapped == V1Snap::baked));
}

BOOST_AUTO_TEST_CASE(a_layer_without_scales_starts_from_the_file_s_weight) {
  const V1Case& c = case_of("padded");
  TensorMap state;
  state.set("layer.weight", as_host(c["weight"]));
  state.set("layer.bias", as_host(c["bias"]));
  BOOST_TEST(!recognised(state).has_value());
  const LayerDraft draft = read_v1(state, c.linear(), c.quant(), false, kFile);
  const LayerDraft started = start_v1(c["weight"], c.quant(), {});
  for (const char* suffix : {".weight", ".scale_A", ".scale_B", ".lut"})
    BOOST_TEST(draft.tensors.at(suffix).equal(started.tensors.at(suffix)), suffix);
  BOOST_TEST(draft.tensors.at(".bias").equal(c["bias"]));
}

BOOST_AUTO_TEST_CASE(a_linear_that_stays_float_is_a_layer_too) {
  const V1Case& c = case_of("padded");
  TensorMap state;
  state.set("layer.weight", as_host(c["weight"]));
  state.set("layer.bias", as_host(c["bias"]));
  const LayerType& type = layer_type("float");
  const LinearQuant quant = float_linear();
  const auto layer = type.make(c.linear(), quant, type.read(state, c.linear(), quant, false, kFile).tensors);
  BOOST_TEST(layer->quant().describe() == "float");
  const at::Tensor x = c["x"].set_requires_grad(true);
  const at::Tensor y = layer->forward(x);
  BOOST_TEST(relative_error(y.detach(), c["x"].mm(c["weight"].t()) + c["bias"]) < 1e-6);
  y.backward(c["dy"]);
  BOOST_TEST(relative_error(x.grad(), c["dy"].mm(c["weight"])) < 1e-6);
  BOOST_TEST((layer->forward(c["x"].to(at::kBFloat16)).scalar_type() == at::kBFloat16));
  for (const LayerTensor& tensor : layer->tensor_table()) BOOST_TEST((tensor.row.role == LayerRole::frozen));
  const std::vector<LazyTensor> entries = layer->checkpoint_entries({}, true);
  BOOST_REQUIRE(entries.size() == 2U);
  BOOST_TEST(entries[0].name == "layer.weight");
  BOOST_TEST(as_torch(entries[0].make()).equal(c["weight"]));
  BOOST_TEST((layer->snapped(V1Snap::lut) == nullptr));
  state.erase("layer.weight");
  BOOST_CHECK_THROW(type.read(state, c.linear(), quant, false, kFile), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
