// Presets and the order in which a checkpoint's own numbers, its config.json and names are believed.
#include "anemll/quant/presets.hpp"

#include "anemll/core/error.hpp"
#include "tests/support/temp_dir.hpp"

#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

const QuantScheme kQ2a4 = {4, 32, 16, 8};
const QuantScheme kQ4a4 = {16, 4, 16, 4};
const std::vector<LinearSpec> kLinears = {{"model.layers.0.self_attn.q_proj", 6, 6, false, false},
                                          {"model.layers.0.mlp.down_proj", 6, 6, true, false}};

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
  BOOST_TEST((preset_scheme("q4_r64") == QuantScheme{16, 64, 16, 64}));
  BOOST_TEST(preset_words() == "q2a4, q4a4, q4a4_r32, q4_r32, q4_r64, q2a2, custom");
  BOOST_TEST(preset_name(QuantSpec(kLinears, {16, 32, 16, 32}, 32)) == "q4a4_r32");  // the first of two names
  BOOST_TEST(preset_name(QuantSpec(kLinears, kQ2a4, 32)) == "q2a4");
  BOOST_TEST(preset_name(QuantSpec(kLinears, {4, 1, 4, 1}, 32)).empty());
  BOOST_CHECK_THROW(preset_scheme("q3"), Error);
}

BOOST_AUTO_TEST_CASE(scheme_of_a_new_model) {
  QuantRequest request;
  request.linears = kLinears;
  BOOST_TEST((resolve_quant(request).spec.usual() == kQ2a4));
  request.preset = "q4a4";
  BOOST_TEST((resolve_quant(request).spec.usual() == kQ4a4));
  BOOST_TEST(resolve_quant(request).source == "preset q4a4");
  request.overrides.mlp_rank = 7;
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{16, 7, 16, 4}));
}

BOOST_AUTO_TEST_CASE(messages_have_the_program_s_own_flags) {
  QuantRequest request;
  request.linears = kLinears;
  request.preset = "custom";
  request.flags = {"--lut-bits", "--scale-rank", "--attn-lut-bits", "--attn-scale-rank"};
  request.overrides = {4, 16, 16, {}};
  BOOST_CHECK_EXCEPTION(resolve_quant(request), Error, [](const Error& e) {
    return e.problem() == "--config custom needs --attn-scale-rank" &&
           e.hint() == "give --lut-bits, --scale-rank, --attn-lut-bits and --attn-scale-rank";
  });
  // Programs differ in them, so a list of the presets has none.
  BOOST_CHECK_EXCEPTION(preset_scheme("q3"), Error, [](const Error& e) {
    return e.hint().find("custom") != std::string::npos && e.hint().find("--") == std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(what_shapes_do_not_say_has_a_source_of_its_own) {
  TensorMap state;
  add_layer(state, "model.layers.0.mlp.down_proj", 3, 16);
  QuantRequest request;
  request.linears = kLinears;
  request.checkpoint = &state;
  request.checkpoint_file = "mlp.pt";
  const ResolvedQuant resolved = resolve_quant(request);
  BOOST_TEST((resolved.spec.usual() == QuantScheme{16, 3, 16, 8}));
  BOOST_TEST(resolved.source == "tensor shapes of mlp.pt, else preset q2a4");
}

BOOST_AUTO_TEST_CASE(custom_needs_every_number_that_no_shape_says) {
  QuantRequest request;
  request.linears = kLinears;
  request.preset = "custom";
  request.overrides = {4, 16, 16, {}};
  BOOST_CHECK_EXCEPTION(resolve_quant(request), Error, [](const Error& e) {
    return e.problem() == "--config custom needs --attn-rank" && e.code() == ExitCode::usage;
  });
  request.overrides.attn_rank = 2;
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{4, 16, 16, 2}));
  const TensorMap state = checkpoint();
  request.checkpoint = &state;
  request.overrides = {};
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{4, 32, 16, 4}));
  BOOST_TEST(resolve_quant(request).warnings.empty());
}

BOOST_AUTO_TEST_CASE(a_config_json_that_contradicts_the_shapes_is_told_in_one_line) {
  const TensorMap state = checkpoint();
  QuantRequest request;
  request.linears = kLinears;
  request.checkpoint = &state;
  request.checkpoint_file = "v2.pt";
  const auto warnings = [&](const std::string& text) {
    const QuantConfigKeys keys = keys_of(text);
    request.keys = &keys;
    return resolve_quant(request).warnings;
  };
  // Only what is written is compared: without attn_* the reader's fallbacks say nothing of attention.
  BOOST_TEST(warnings(R"({"lut_bits": 2, "scale_rank": 32})").empty());
  BOOST_TEST(
      warnings(R"({"lut_bits": 2, "mlp_lut_bits": 2, "attn_lut_bits": 4, "attn_scale_rank": 4})").empty());
  BOOST_TEST(warnings(R"({"config_preset": "custom_q4"})").empty());
  const std::vector<std::string> told =
      warnings(R"({"config_preset": "q2a2", "attn_lut_bits": 2, "attn_scale_rank": 8})");
  BOOST_REQUIRE(told.size() == 1U);
  BOOST_TEST(
      told[0] ==
      "config.json says attn_lut_bits 2, attn_scale_rank 8, config_preset q2a2; the checkpoint has MLP 4 "
      "entries rank 32, attention 16 entries rank 4, which is used");
}

BOOST_AUTO_TEST_CASE(scheme_of_shapes_wins_over_names_and_keys) {
  const TensorMap state = checkpoint();
  const QuantConfigKeys keys = keys_of(R"({"lut_bits": 4, "scale_rank": 4, "config_preset": "q4a4"})");
  QuantRequest request;
  request.linears = kLinears;
  request.checkpoint = &state;
  request.checkpoint_file = "v2.pt";
  request.keys = &keys;
  request.preset = "q4a4";
  const ResolvedQuant resolved = resolve_quant(request);
  BOOST_TEST((resolved.spec.usual() == QuantScheme{4, 32, 16, 4}));
  BOOST_TEST(resolved.source == "tensor shapes of v2.pt");
  BOOST_TEST(resolved.warnings.size() == 1U);
  request.overrides.attn_rank = 4;  // says what the file says
  BOOST_CHECK_NO_THROW(resolve_quant(request));
  request.overrides.attn_rank = 8;
  BOOST_CHECK_THROW(resolve_quant(request), Error);
}

BOOST_AUTO_TEST_CASE(scheme_of_numeric_keys_wins_over_the_preset_s_name) {
  const QuantConfigKeys keys = keys_of(
      R"({"config_preset": "q4a4", "lut_bits": 4, "attn_lut_bits": 4, "scale_rank": 32, "attn_scale_rank": 32, "x": [1]})");
  QuantRequest request;
  request.linears = kLinears;
  request.keys = &keys;
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{16, 32, 16, 32}));
  BOOST_TEST(resolve_quant(request).source == "config.json");
  const QuantConfigKeys mlp_names =
      keys_of(R"({"mlp_lut_bits": 2, "mlp_scale_rank": 16, "attn_lut_bits": 4})");
  request.keys = &mlp_names;
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{4, 16, 16, 16}));
}

BOOST_AUTO_TEST_CASE(scheme_survives_null_and_unknown_presets) {
  const QuantConfigKeys null_name = keys_of(R"({"config_preset": null, "lut_bits": 2, "scale_rank": 32})");
  QuantRequest request;
  request.linears = kLinears;
  request.keys = &null_name;
  BOOST_TEST((resolve_quant(request).spec.usual() == QuantScheme{4, 32, 4, 32}));
  const QuantConfigKeys custom = keys_of(R"({"config_preset": "custom_q4", "group_size": 16})");
  request.keys = &custom;
  BOOST_TEST((resolve_quant(request).spec.usual() == kQ2a4));
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

BOOST_AUTO_TEST_CASE(layers_of_a_checkpoint_may_differ) {
  TensorMap state = checkpoint();
  std::vector<LinearSpec> linears = kLinears;
  for (const auto& [name, rank, lut] :
       {std::tuple{"model.layers.1.mlp.up_proj", 16, 8}, std::tuple{"model.layers.1.mlp.down_proj", 32, 4},
        std::tuple{"model.layers.1.self_attn.q_proj", 1, 2}}) {
    add_layer(state, name, rank, lut);
    linears.push_back({name, 6, 6, std::string(name).find(".mlp.") != std::string::npos, false});
  }
  QuantRequest request;
  request.linears = linears;
  request.checkpoint = &state;
  request.checkpoint_file = "v2.pt";
  const QuantSpec spec = resolve_quant(request).spec;
  BOOST_TEST(spec.mixed());
  BOOST_TEST((spec.usual() == QuantScheme{4, 32, 2, 1}));  // of two that are equally frequent the smaller
  BOOST_TEST(spec.of("model.layers.1.mlp.up_proj").rank == 16);
  BOOST_TEST(spec.of("model.layers.1.mlp.up_proj").bits() == 3);
  BOOST_TEST(spec.exceptions().size() == 2U);
  BOOST_TEST(spec.describe().find("2 of 5 linears differ: model.layers.0.self_attn.q_proj 16 entries rank 4, "
                                  "model.layers.1.mlp.up_proj 8 entries rank 16") != std::string::npos,
             spec.describe());
  BOOST_TEST(preset_name(spec).empty());
  BOOST_CHECK_THROW(spec.of("model.layers.9.mlp.up_proj"), Error);
  request.overrides.mlp_rank = 32;  // not of all
  BOOST_CHECK_THROW(resolve_quant(request), Error);
}

BOOST_AUTO_TEST_CASE(a_layer_without_its_table_is_named) {
  TensorMap no_lut;
  no_lut.set(kLinears[1].name + ".scale_A", HostTensor::zeros(DType::f32, {6, 2}));
  QuantRequest request;
  request.linears = kLinears;
  request.checkpoint = &no_lut;
  BOOST_CHECK_EXCEPTION(resolve_quant(request), Error, [](const Error& e) {
    return std::string(e.what()).find("mlp.down_proj.lut") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
