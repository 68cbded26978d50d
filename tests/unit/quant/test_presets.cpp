// Presets and the order in which a checkpoint's own numbers, its config.json and names are believed.
#include "anemll/core/error.hpp"
#include "anemll/quant/presets.hpp"
#include "tests/support/temp_dir.hpp"

#include <fstream>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

const QuantScheme kQ2a4 = {4, 32, 16, 8};
const QuantScheme kQ4a4 = {16, 4, 16, 4};

void add_layer(TensorMap& state, const std::string& name, std::int64_t rank, std::int64_t lut) {
  state.set(name + ".scale_A", HostTensor::zeros(DType::f32, {6, rank}));
  state.set(name + ".lut", HostTensor::zeros(DType::f16, {lut}));
}

TensorMap checkpoint() {
  TensorMap state;
  add_layer(state, "model.layers.0.self_attn.q_proj", 4, 16);
  add_layer(state, "model.layers.0.mlp.down_proj", 32, 4);
  return state;
}

QuantConfigKeys keys_of(const std::string& text) {
  const TempDir folder;
  std::ofstream(folder / "config.json") << text;
  return read_quant_config(folder / "config.json");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(presets_have_the_trainer_s_numbers) {
  BOOST_TEST((preset_scheme("q2a4") == kQ2a4));
  BOOST_TEST((preset_scheme("q4a4") == kQ4a4));
  BOOST_TEST((preset_scheme("q4a4_r32") == QuantScheme{16, 32, 16, 32}));
  BOOST_TEST((preset_scheme("q2a2") == QuantScheme{4, 32, 4, 32}));
  BOOST_TEST((preset_scheme("q4_r32") == QuantScheme{16, 32, 16, 32}));
  BOOST_TEST(preset_name(kQ2a4) == "q2a4");
  BOOST_TEST(preset_name({4, 1, 4, 1}).empty());
  BOOST_CHECK_THROW(preset_scheme("q3"), Error);
}

BOOST_AUTO_TEST_CASE(scheme_of_a_new_model) {
  SchemeRequest request;
  BOOST_TEST((resolve_scheme(request).scheme == kQ2a4));
  request.preset = "q4a4";
  BOOST_TEST((resolve_scheme(request).scheme == kQ4a4));
  BOOST_TEST(resolve_scheme(request).source == "preset q4a4");
  request.overrides.mlp_rank = 7;
  BOOST_TEST((resolve_scheme(request).scheme == QuantScheme{16, 7, 16, 4}));
}

BOOST_AUTO_TEST_CASE(scheme_of_shapes_wins_over_names_and_keys) {
  const TensorMap state = checkpoint();
  const QuantConfigKeys keys = keys_of(R"({"lut_bits": 4, "scale_rank": 4, "config_preset": "q4a4"})");
  SchemeRequest request;
  request.checkpoint = &state;
  request.checkpoint_file = "v2.pt";
  request.keys = &keys;
  request.preset = "q4a4";
  const ResolvedScheme resolved = resolve_scheme(request);
  BOOST_TEST((resolved.scheme == QuantScheme{4, 32, 16, 4}));
  BOOST_TEST(resolved.source == "tensor shapes of v2.pt");
  BOOST_TEST(resolved.warnings.size() == 1U);
  request.overrides.attn_rank = 4;  // says what the file says
  BOOST_CHECK_NO_THROW(resolve_scheme(request));
  request.overrides.attn_rank = 8;
  BOOST_CHECK_THROW(resolve_scheme(request), Error);
}

BOOST_AUTO_TEST_CASE(scheme_of_numeric_keys_wins_over_the_preset_s_name) {
  const QuantConfigKeys keys = keys_of(
      R"({"config_preset": "q4a4", "lut_bits": 4, "attn_lut_bits": 4, "scale_rank": 32, "attn_scale_rank": 32, "x": [1]})");
  SchemeRequest request;
  request.keys = &keys;
  BOOST_TEST((resolve_scheme(request).scheme == QuantScheme{16, 32, 16, 32}));
  BOOST_TEST(resolve_scheme(request).source == "config.json");
  const QuantConfigKeys mlp_names =
      keys_of(R"({"mlp_lut_bits": 2, "mlp_scale_rank": 16, "attn_lut_bits": 4})");
  request.keys = &mlp_names;
  BOOST_TEST((resolve_scheme(request).scheme == QuantScheme{4, 16, 16, 16}));
}

BOOST_AUTO_TEST_CASE(scheme_survives_null_and_unknown_presets) {
  const QuantConfigKeys null_name = keys_of(R"({"config_preset": null, "lut_bits": 2, "scale_rank": 32})");
  SchemeRequest request;
  request.keys = &null_name;
  BOOST_TEST((resolve_scheme(request).scheme == QuantScheme{4, 32, 4, 32}));
  const QuantConfigKeys custom = keys_of(R"({"config_preset": "custom_q4", "group_size": 16})");
  request.keys = &custom;
  BOOST_TEST((resolve_scheme(request).scheme == kQ2a4));
  BOOST_TEST(*custom.group_size == 16);
}

BOOST_AUTO_TEST_CASE(quant_config_errors_name_the_key) {
  BOOST_CHECK_THROW(keys_of(R"({"lut_bits": "two"})"), Error);
  BOOST_CHECK_THROW(keys_of(R"({"scale_rank": -4})"), Error);
  BOOST_CHECK_THROW(keys_of("[1"), Error);
  try {
    keys_of(R"({"force_positive_scales": 1})");
    BOOST_FAIL("accepted");
  } catch (const Error& error) {
    BOOST_TEST(std::string(error.what()).find("force_positive_scales") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(scheme_detection_names_the_odd_layer) {
  TensorMap state = checkpoint();
  add_layer(state, "model.layers.1.mlp.up_proj", 16, 4);
  try {
    detect_scheme(state, "v2.pt");
    BOOST_FAIL("accepted");
  } catch (const Error& error) {
    BOOST_TEST(std::string(error.what()).find("layers.1.mlp.up_proj") != std::string::npos);
  }
  TensorMap no_lut;
  no_lut.set("a.mlp.up_proj.scale_A", HostTensor::zeros(DType::f32, {6, 2}));
  BOOST_CHECK_THROW(detect_scheme(no_lut, "v2.pt"), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
