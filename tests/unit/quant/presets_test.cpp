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
  BOOST_TEST(preset_words() == "q2a4, q4a4, q4a4_r32, q4_r32, q4_r64, q2a2, balanced, balanced3, custom");
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

/// A layer with all its kinds.
std::vector<LinearSpec> whole_layer() {
  std::vector<LinearSpec> linears;
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    const bool mlp = std::string(name).starts_with("mlp");
    linears.push_back({std::string("model.layers.0.").append(name), 6, 6, mlp, false});
  }
  return linears;
}

BOOST_AUTO_TEST_CASE(presets_by_kind_of_linear) {
  const std::vector<LinearSpec> linears = whole_layer();
  QuantRequest request;
  request.linears = linears;
  request.preset = "balanced";
  const QuantSpec balanced = resolve_quant(request).spec;
  for (const QuantSpec::Entry& entry : balanced.entries()) {
    const bool gate = entry.linear.ends_with("gate_proj");
    BOOST_TEST(entry.quant.bits() == (gate ? 2 : 4), entry.linear);
    BOOST_TEST(entry.quant.rank == (gate ? 4 : 2), entry.linear);
  }
  BOOST_TEST(preset_name(balanced) == "balanced");
  BOOST_TEST(preset_scheme("balanced").describe() ==
             "MLP 16 entries rank 2, attention 16 entries rank 2, gate 4 entries rank 4");
  request.preset = "balanced3";
  const QuantSpec three = resolve_quant(request).spec;
  std::string bits;
  for (const QuantSpec::Entry& entry : three.entries()) {
    bits += std::to_string(entry.quant.bits());
    BOOST_TEST(entry.quant.rank == 4);
  }
  BOOST_TEST(bits == "3344334");  // q k v o gate up down
  BOOST_TEST(preset_name(three) == "balanced3");
  request.overrides.mlp_rank = 8;  // a flag counts for all kinds of its half
  BOOST_TEST(resolve_quant(request).spec.of("model.layers.0.mlp.gate_proj").rank == 8);
  BOOST_TEST(resolve_quant(request).spec.of("model.layers.0.self_attn.q_proj").rank == 4);
}

BOOST_AUTO_TEST_CASE(single_linears_have_numbers_of_their_own) {
  const std::vector<LinearSpec> linears = whole_layer();
  const TempDir folder;
  std::ofstream(folder / "layers.json") << R"({"bits": 3.1, "layer_overrides":
      {"model.layers.0.mlp.up_proj": {"lut_bits": 3, "scale_rank": 16, "group_size": 8},
       "model.layers.0.mlp.down_proj": {"scale_rank": 1}}})";
  QuantRequest request;
  request.linears = linears;
  request.layers = read_layer_overrides(folder / "layers.json");
  request.layers_file = "layers.json";
  request.overrides.mlp_rank = 5;
  const QuantSpec spec = resolve_quant(request).spec;
  BOOST_TEST(spec.of("model.layers.0.mlp.up_proj").lut_size == 8);
  BOOST_TEST(spec.of("model.layers.0.mlp.up_proj").rank == 16);
  BOOST_TEST(spec.of("model.layers.0.mlp.up_proj").group_size == 8);
  BOOST_TEST(spec.of("model.layers.0.mlp.down_proj").lut_size == 4);
  BOOST_TEST(spec.of("model.layers.0.mlp.down_proj").rank == 1);
  BOOST_TEST(spec.of("model.layers.0.mlp.gate_proj").rank == 5);
  request.layers = {{"model.layers.9.mlp.up_proj", {2, {}, {}}}};
  BOOST_CHECK_EXCEPTION(resolve_quant(request), Error, [](const Error& e) {
    return e.problem().find("model.layers.9.mlp.up_proj") != std::string::npos && e.where() == "layers.json";
  });
  std::ofstream(folder / "wrong.json") << R"({"model.layers.0.mlp.up_proj": {"bits": 3}})";
  BOOST_CHECK_THROW(read_layer_overrides(folder / "wrong.json"), Error);
}

BOOST_AUTO_TEST_CASE(layer_overrides_of_config_json_are_read) {
  const std::vector<LinearSpec> linears = whole_layer();
  const QuantConfigKeys keys = keys_of(
      R"({"lut_bits": 4, "scale_rank": 2, "layer_overrides": {"model.layers.0.mlp.gate_proj":
          {"lut_bits": 2, "scale_rank": 4, "note": 1}, "model.layers.7.mlp.up_proj": {"lut_bits": 2}}})");
  QuantRequest request;
  request.linears = linears;
  request.keys = &keys;
  const ResolvedQuant resolved = resolve_quant(request);
  BOOST_TEST(preset_name(resolved.spec) == "balanced");
  BOOST_REQUIRE(resolved.warnings.size() == 1U);
  BOOST_TEST(resolved.warnings[0].find("model.layers.7.mlp.up_proj") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(shapes_win_over_layer_overrides) {
  const TensorMap state = checkpoint();
  const QuantConfigKeys keys =
      keys_of(R"({"layer_overrides": {"model.layers.0.mlp.down_proj": {"lut_bits": 3, "scale_rank": 32}}})");
  QuantRequest request;
  request.linears = kLinears;
  request.checkpoint = &state;
  request.checkpoint_file = "v2.pt";
  request.keys = &keys;
  const ResolvedQuant resolved = resolve_quant(request);
  BOOST_TEST((resolved.spec.usual() == QuantScheme{4, 32, 16, 4}));
  BOOST_REQUIRE(resolved.warnings.size() == 1U);
  BOOST_TEST(resolved.warnings[0].find("lut_bits 3 of model.layers.0.mlp.down_proj in layer_overrides") !=
                 std::string::npos,
             resolved.warnings[0]);
  request.layers = {{"model.layers.0.mlp.down_proj", {2, 32, {}}}};  // what the file says
  BOOST_CHECK_NO_THROW(resolve_quant(request));
  request.layers = {{"model.layers.0.mlp.down_proj", {2, 16, {}}}};
  BOOST_CHECK_THROW(resolve_quant(request), Error);
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
