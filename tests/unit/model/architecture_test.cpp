// config.json in old and new key names, and everything that must be refused.
#include "anemll/model/architecture.hpp"

#include "tests/unit/model/model_folder.hpp"

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

Architecture read_with(const Keys& changes) {
  const TempDir folder;
  write_config(folder.path(), llama_keys(), changes);
  return read_architecture(folder.path());
}

void check_refused(const Keys& changes, const std::string& key, const std::string& what) {
  check_data_error([&] { read_with(changes); }, "config.json, key \"" + key + "\"", what);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(new_key_names_of_nano) {
  const Architecture a = read_architecture(golden("nano"));
  BOOST_CHECK_EQUAL(a.family, "qwen3");
  BOOST_CHECK_EQUAL(a.vocab_size, 4096);
  BOOST_CHECK_EQUAL(a.hidden_size, 64);
  BOOST_CHECK_EQUAL(a.intermediate_size, 96);
  BOOST_CHECK_EQUAL(a.layer_count(), 2);
  BOOST_CHECK_EQUAL(a.heads, 4);
  BOOST_CHECK_EQUAL(a.kv_heads, 2);
  BOOST_CHECK_EQUAL(a.head_dim, 32);  // not hidden / heads
  BOOST_CHECK_EQUAL(a.max_positions, 512);
  BOOST_CHECK_EQUAL(a.rms_norm_eps, 1e-6);
  BOOST_CHECK(a.tied_embeddings);
  LayerSpec layer;
  layer.qk_norm = true;
  layer.rope.theta = 1e6;
  BOOST_CHECK(a.layers == std::vector(2, layer));
}

BOOST_AUTO_TEST_CASE(old_key_names_and_defaults) {
  const Architecture a = read_with({});
  BOOST_CHECK_EQUAL(a.family, "llama");
  BOOST_CHECK_EQUAL(a.head_dim, 4);
  BOOST_CHECK(!a.tied_embeddings);
  BOOST_CHECK(a.layers == std::vector(2, LayerSpec{}));
  const Architecture b = read_with({{"num_key_value_heads", ""},
                                    {"tie_word_embeddings", "true"},
                                    {"mlp_bias", "true"},
                                    {"attention_bias", "true"},
                                    {"head_dim", "6"},
                                    {"rope_theta", "5e5"}});
  BOOST_CHECK_EQUAL(b.kv_heads, 4);
  BOOST_CHECK_EQUAL(b.head_dim, 6);
  BOOST_CHECK(b.tied_embeddings);
  LayerSpec layer;
  layer.biases.fill(true);
  layer.rope.theta = 5e5;
  BOOST_CHECK(b.layers == std::vector(2, layer));
}

BOOST_AUTO_TEST_CASE(llama3_rope_scaling_in_both_spellings) {
  const std::string values =
      "\"factor\": 32.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
      "\"original_max_position_embeddings\": 8192";
  const Architecture old_names = read_with({{"rope_scaling", "{\"rope_type\": \"llama3\", " + values + "}"}});
  const Architecture new_names = read_with(
      {{"rope_theta", ""},
       {"rope_scaling", ""},
       {"rope_parameters", "{\"rope_type\": \"llama3\", \"rope_theta\": 500000.0, " + values + "}"}});
  BOOST_CHECK_EQUAL(new_names.layers[0].rope.theta, 500000);
  for (const Architecture& a : {old_names, new_names}) {
    for (const LayerSpec& layer : a.layers) BOOST_CHECK((layer.rope.scaling == RopeScaling{32, 1, 4, 8192}));
  }
}

BOOST_AUTO_TEST_CASE(missing_and_mistyped_keys_are_named) {
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                          "num_attention_heads", "model_type"}) {
    check_refused({{key, ""}}, key, "missing");
    check_refused({{key, "null"}}, key, "missing");
    check_refused({{key, "[1]"}}, key, "not a");
  }
  check_refused({{"hidden_size", "16.0"}}, "hidden_size", "not an integer");
  check_refused({{"hidden_size", "0"}}, "hidden_size", "out of range");
  check_refused({{"hidden_size", "-16"}}, "hidden_size", "out of range");
  check_refused({{"vocab_size", "18446744073709551615"}}, "vocab_size", "out of range");
  check_refused({{"rms_norm_eps", "\"1e-6\""}}, "rms_norm_eps", "not a number");
  check_refused({{"rope_theta", "-1"}}, "rope_theta", "out of range");
  check_refused({{"tie_word_embeddings", "1"}}, "tie_word_embeddings", "not a boolean");
  check_refused({{"rope_scaling", "3"}}, "rope_scaling", "not an object");
  check_refused({{"rope_scaling", "{\"type\": \"llama3\"}"}}, "rope_scaling.factor", "missing");
}

BOOST_AUTO_TEST_CASE(unknown_families_are_refused_with_the_known_ones) {
  try {
    read_with({{"model_type", "\"gemma3\""}});
    BOOST_ERROR("gemma3 was accepted");
  } catch (const Error& error) {
    BOOST_CHECK(std::string(error.what()).find("gemma3") != std::string::npos);
    BOOST_CHECK(error.hint().find("llama") != std::string::npos &&
                error.hint().find("qwen3") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(linear_scaling_by_one_is_none) {
  for (const char* text : {R"({"rope_type": "linear", "factor": 1.0})", R"({"type": "linear", "factor": 1})"})
    BOOST_CHECK(!read_with({{"rope_scaling", text}}).layers.front().rope.scaling);
}

BOOST_AUTO_TEST_CASE(features_the_decoder_lacks_are_refused) {
  check_refused({{"use_sliding_window", "true"}}, "use_sliding_window", "sliding");
  check_refused({{"layer_types", "[\"full_attention\", \"sliding_attention\"]"}}, "layer_types", "sliding");
  check_refused({{"layer_types", "[\"full_attention\"]"}}, "layer_types", "num_hidden_layers");
  check_refused({{"hidden_act", "\"gelu\""}}, "hidden_act", "gelu");
  check_refused({{"rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0}"}}, "rope_scaling.rope_type",
                "yarn");
  check_refused({{"rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 2.0}"}}, "rope_scaling.rope_type",
                "linear");
  check_refused({{"quantization_config", "{\"bits\": 4}"}}, "quantization_config", "quantised");
  check_refused({{"partial_rotary_factor", "0.5"}}, "partial_rotary_factor", "partial");
}

BOOST_AUTO_TEST_CASE(windows_of_qwen_layers) {
  const auto windows = [](const Keys& changes) {
    Keys keys{{"model_type", "\"qwen2\""}, {"num_hidden_layers", "3"}, {"sliding_window", "5"}};
    for (const auto& [key, value] : changes) keys[key] = value;
    std::vector<std::int64_t> list;
    for (const LayerSpec& layer : read_with(keys).layers) list.push_back(layer.window);
    return list;
  };
  using List = std::vector<std::int64_t>;
  const std::string types = "[\"sliding_attention\", \"full_attention\", \"sliding_attention\"]";
  BOOST_CHECK(windows({}) == List({0, 0, 0}));
  BOOST_CHECK(windows({{"use_sliding_window", "true"}}) == List({0, 0, 0}));  // from layer 28 on
  BOOST_CHECK(windows({{"use_sliding_window", "true"}, {"max_window_layers", "1"}}) == List({0, 5, 5}));
  BOOST_CHECK(windows({{"use_sliding_window", "true"}, {"layer_types", types}}) == List({5, 0, 5}));
  check_refused({{"model_type", "\"qwen3\""}, {"num_hidden_layers", "3"}, {"layer_types", types}},
                "layer_types", "sliding_attention");
}

BOOST_AUTO_TEST_CASE(numbers_that_contradict_each_other_are_refused) {
  check_refused({{"num_key_value_heads", "3"}}, "num_key_value_heads", "kv heads");
  check_refused({{"num_attention_heads", "3"}}, "num_attention_heads", "multiple");
  check_refused({{"head_dim", "5"}}, "head_dim", "odd");
}

BOOST_AUTO_TEST_CASE(files_that_are_no_config_are_refused) {
  const TempDir folder;
  check_data_error([&] { read_architecture(folder.path()); }, "config.json", "");
  write_file(folder / "config.json", "{\"model_type\": ");
  check_data_error([&] { read_architecture(folder.path()); }, "config.json", "JSON");
  write_file(folder / "config.json", "[1, 2]");
  check_data_error([&] { read_architecture(folder.path()); }, "config.json", "object");
}

BOOST_AUTO_TEST_CASE(linears_and_tensors_of_nano) {
  const Architecture a = read_architecture(golden("nano"));
  const std::vector<LinearSpec> linears = body_linears(a);
  BOOST_REQUIRE_EQUAL(linears.size(), 14U);
  BOOST_CHECK_EQUAL(linears[0].name, "model.layers.0.self_attn.q_proj");
  BOOST_CHECK_EQUAL(linears[0].out, 128);
  BOOST_CHECK_EQUAL(linears[0].in, 64);
  BOOST_CHECK(!linears[3].mlp && linears[4].mlp);
  BOOST_CHECK_EQUAL(linears[13].name, "model.layers.1.mlp.down_proj");
  BOOST_CHECK_EQUAL(linears[13].in, 96);

  // Exactly what the published file holds, plus the tied head.
  const SafetensorsFile file = read_safetensors(golden("nano/model.safetensors"));
  const std::vector<TensorSpec> expected = expected_tensors(a);
  BOOST_CHECK_EQUAL(expected.size(), file.tensors.size() + 1);
  BOOST_CHECK_EQUAL(expected.back().name, "lm_head.weight");
  for (const TensorSpec& spec : expected) {
    if (spec.name == "lm_head.weight") continue;
    const HostTensor* tensor = file.tensors.find(spec.name);
    BOOST_REQUIRE_MESSAGE(tensor != nullptr, spec.name);
    BOOST_CHECK_MESSAGE(tensor->shape == spec.shape, spec.name);
  }
}

BOOST_AUTO_TEST_CASE(biases_are_listed_behind_their_weights) {
  const Architecture a = read_with({{"attention_bias", "true"}, {"mlp_bias", "true"}});
  std::size_t biases = 0;
  for (const TensorSpec& spec : expected_tensors(a)) biases += spec.name.ends_with(".bias") ? 1U : 0U;
  BOOST_CHECK_EQUAL(biases, 14U);
}

BOOST_AUTO_TEST_SUITE_END()
