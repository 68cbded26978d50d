// Every key of config.json has a fate: used, without effect, refused, or told.
#include "src/model/internal/config_keys.hpp"

#include "tests/unit/model/model_folder.hpp"

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

/// The lines that are told of a config with these keys.
std::string told(const Keys& changes, const Keys& base = llama_keys()) {
  const TempDir folder;
  write_config(folder.path(), base, changes);
  const Inventory inventory = open_model(folder.path()).inventory;
  std::string all;
  for (const std::string& line : inventory.left_out_lines()) all += line + '\n';
  return all;
}

Keys qwen3_keys() {
  Keys keys = llama_keys();
  keys["model_type"] = "\"qwen3\"";
  keys["head_dim"] = "4";
  return keys;
}

void check_refused(const Keys& changes, const std::string& key, const std::string& what) {
  check_data_error([&] { told(changes); }, "config.json, key \"" + key + "\"", what);
}

void check_told(const Keys& changes, const std::string& part) {
  const std::string all = told(changes);
  BOOST_CHECK_MESSAGE(all.find(part) != std::string::npos, "\"" << part << "\" is not in: " << all);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_keys)

BOOST_AUTO_TEST_CASE(keys_of_published_models_have_nothing_to_tell) {
  BOOST_CHECK(load_model_files(golden("nano")).inventory.left_out_lines().empty());
  // As SmolLM2 and Qwen3 models are published.
  BOOST_CHECK_EQUAL(told({{"_name_or_path", "\"./x\""},
                          {"architectures", "[\"LlamaForCausalLM\"]"},
                          {"attention_bias", "false"},
                          {"attention_dropout", "0.0"},
                          {"bos_token_id", "1"},
                          {"eos_token_id", "[2, 3]"},
                          {"initializer_range", "0.041666666666666664"},
                          {"is_llama_config", "true"},
                          {"max_position_embeddings", "8192"},
                          {"mlp_bias", "false"},
                          {"pad_token_id", "2"},
                          {"pretraining_tp", "1"},
                          {"rope_interleaved", "false"},
                          {"transformers.js_config", "{\"dtype\": \"q4\"}"},
                          {"transformers_version", "\"4.42.3\""},
                          {"use_cache", "true"}}),
                    "");
  BOOST_CHECK_EQUAL(told({{"architectures", "[\"Qwen3ForCausalLM\"]"},
                          {"layer_types", "[\"full_attention\", \"full_attention\"]"},
                          {"max_window_layers", "28"},
                          {"rope_scaling", "null"},
                          {"sliding_window", "32768"},
                          {"use_sliding_window", "false"}},
                         qwen3_keys()),
                    "");
}

BOOST_AUTO_TEST_CASE(what_changes_the_numbers_is_refused) {
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"})
    check_refused({{key, "30.0"}}, key, "soft caps");
  for (const char* key : {"embedding_multiplier", "residual_multiplier", "logits_scaling", "scale_emb"})
    check_refused({{key, "0.22"}}, key, "multipliers");
  check_refused({{"attention_multiplier", "0.015625"}}, "attention_multiplier", "1 / sqrt(head_dim)");
  check_refused({{"num_experts", "8"}}, "num_experts", "experts");
  check_refused({{"num_local_experts", "8"}}, "num_local_experts", "experts");
  check_refused({{"moe_intermediate_size", "768"}}, "moe_intermediate_size", "experts");
  check_refused({{"quantization", "{\"bits\": 4, \"group_size\": 64}"}}, "quantization", "quantised");
  check_refused({{"attention_chunk_size", "1024"}}, "attention_chunk_size", "sliding");
  check_refused({{"no_rope_layers", "[1, 0]"}}, "no_rope_layers", "rotary");
  check_refused({{"rope_interleaved", "true"}}, "rope_interleaved", "rotary");
  check_refused({{"rotary_pct", "0.25"}}, "rotary_pct", "partial");
  check_refused({{"hidden_activation", "\"gelu_pytorch_tanh\""}}, "hidden_activation", "activation");
  check_refused({{"kv_lora_rank", "512"}}, "kv_lora_rank", "attention");
  check_refused({{"use_qk_norm", "true"}}, "use_qk_norm", "has no norms");
  check_refused({{"is_causal", "false"}}, "is_causal", "causal");
}

BOOST_AUTO_TEST_CASE(what_is_switched_off_is_no_fault) {
  BOOST_CHECK_EQUAL(told({{"attn_logit_softcapping", "null"},
                          {"residual_multiplier", "1.0"},
                          {"num_experts", "0"},
                          {"num_local_experts", "1"},
                          {"no_rope_layers", "[1, 1]"},
                          {"hidden_activation", "\"silu\""},
                          {"use_qk_norm", "false"},
                          {"quantization_config", "null"},
                          {"strange", "null"}}),
                    "");
}

BOOST_AUTO_TEST_CASE(keys_that_nobody_reads_are_told) {
  check_told({{"qkv_bias", "true"}, {"strange", "1"}}, "2 config keys (qkv_bias, strange)");
  check_told({{"sliding_window", "4096"}}, "(sliding_window): the family llama does not read it");
  check_told({{"architectures", "[\"LlamaForSequenceClassification\"]"}}, "is read as the language model");
  check_told({{"architectures", "[\"MistralForCausalLM\"]"}}, "MistralForCausalLM");
  Keys keys = qwen3_keys();
  keys["mlp_bias"] = "true";
  BOOST_CHECK_NE(told({}, keys).find("(mlp_bias): the family qwen3"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(rotary_embeddings_said_twice) {
  check_told({{"rope_theta", "10000.0"},
              {"rope_scaling", ""},
              {"rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 500000.0}"}},
             "(rope_theta): rope_parameters has another one");
  check_refused({{"rope_scaling",
                  "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, "
                  "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 8192}"},
                 {"rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 10000.0}"}},
                "rope_scaling", "rope_parameters says \"default\"");
  check_refused({{"rope_scaling", "{\"type\": \"linear\", \"rope_type\": \"default\", \"factor\": 2.0}"}},
                "rope_scaling.type", "linear");
  check_refused({{"rope_parameters", "{\"rope_type\": \"default\", \"partial_rotary_factor\": 0.5}"}},
                "rope_parameters.partial_rotary_factor", "partial");
  check_told({{"rope_scaling", "{\"rope_type\": \"default\", \"factor\": 4.0}"}},
             "(rope_scaling.factor): the rope type \"default\" does not read it");
}

BOOST_AUTO_TEST_CASE(files_of_the_configuration_have_a_fate) {
  const TempDir folder;
  for (const char* name : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(golden("nano") / name, folder / name);
  write_file(folder / "generation_config.json", "{\"temperature\": 0.6}");
  const Inventory inventory = load_model_files(folder.path()).inventory;
  BOOST_CHECK(inventory.left_out_lines().empty());
  BOOST_CHECK_NE(inventory.json().find("generation_config.json"), std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
