// A key at the value with which it changes nothing is no fault, in a folder and in a GGUF file; next to that
// value it is one.
#include "tests/support/gguf_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

/// Heads of 32 values, two layers, 512 positions.
Keys keys() {
  Keys keys = llama_keys();
  keys["hidden_size"] = "128";
  keys["max_position_embeddings"] = "512";
  return keys;
}

std::string lines_of(const Inventory& inventory) {
  std::string all;
  for (const std::string& line : inventory.left_out_lines()) all += line + '\n';
  return all;
}

OpenModel opened(const Keys& changes) {
  const TempDir folder;
  write_config(folder.path(), keys(), changes);
  return open_model(folder.path());
}

OpenModel opened(const std::function<void(GgufWriter&)>& change) {
  const TempDir folder;
  write_config(folder.path(), keys());
  GgufWriter writer;
  put_architecture(writer, read_architecture(folder.path()));
  writer.plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 128}));
  change(writer);
  writer.write(folder / "m.gguf");
  return open_model(folder / "m.gguf");
}

/// Read, with nothing to tell and the same layers.
void check_neutral(const Keys& changes) {
  BOOST_TEST_CONTEXT(changes.begin()->first << " " << changes.begin()->second) {
    const OpenModel model = opened(changes);
    BOOST_CHECK_EQUAL(lines_of(model.inventory), "");
    BOOST_CHECK(model.architecture.layers == opened(Keys()).architecture.layers);
  }
}
void check_refused(const Keys& changes) {
  const auto& [key, value] = *changes.begin();
  BOOST_TEST_CONTEXT(key << " " << value) {
    check_data_error([&] { opened(changes); }, "key \"" + key, "not supported");
  }
}

using Put = std::function<void(GgufWriter&)>;
void check_neutral(const Put& put) {
  const OpenModel model = opened(put);
  BOOST_CHECK_EQUAL(lines_of(model.inventory), "");
  BOOST_CHECK(model.architecture.layers == opened([](GgufWriter&) {}).architecture.layers);
}
void check_refused(const std::string& key, const Put& put) {
  BOOST_TEST_CONTEXT(key) {
    check_data_error([&] { opened(put); }, "key \"llama." + key + "\"", "not supported");
  }
}

std::string rope(const std::string& rest) {
  return "{\"rope_type\": " + rest + "}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(neutral_values)

BOOST_AUTO_TEST_CASE(multipliers_that_change_nothing_are_read) {
  for (const char* scale : {"0.1767766952966369", "0.17677669", "0.176777", "null", "false"})
    check_neutral({{"attention_multiplier", scale}});
  check_neutral({{"query_pre_attn_scalar", "32"}});
  check_neutral({{"query_pre_attn_scalar", "32.0"}});
  check_neutral({{"rotary_dim", "32"}});
  check_neutral({{"scale_depth", "1.4142135623730951"}});
  check_neutral({{"dim_model_base", "128"}});
  for (const char* key : {"embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale"})
    check_neutral({{key, "1.0"}});
  check_neutral({{"attention_chunk_size", "512"}});
  check_neutral({{"no_rope_layer_interval", "3"}});
  check_neutral({{"hidden_activation", "\"swish\""}});
  check_neutral({{"qkv_bias", "false"}, {"no_bias", "true"}});
  const std::string gelu = "\"gelu_pytorch_tanh\"";
  BOOST_CHECK_EQUAL(lines_of(opened({{"hidden_act", gelu}, {"hidden_activation", gelu}}).inventory), "");
}

BOOST_AUTO_TEST_CASE(multipliers_that_change_something_are_refused) {
  for (const char* scale : {"0.1768", "0.0", "0.125", "true"})
    check_refused({{"attention_multiplier", scale}});
  check_refused({{"query_pre_attn_scalar", "64"}});
  check_refused({{"rotary_dim", "16"}});
  check_refused({{"scale_depth", "1.0"}});
  check_refused({{"dim_model_base", "64"}});
  check_refused({{"logit_scale", "1.001"}});
  check_refused({{"attention_chunk_size", "511"}});
  check_refused({{"no_rope_layer_interval", "2"}});
}

BOOST_AUTO_TEST_CASE(keys_of_experts_that_are_not_there_have_nothing_to_tell) {
  check_neutral({{"decoder_sparse_step", "1"}, {"mlp_only_layers", "[]"}, {"output_router_logits", "false"}});
  check_neutral({{"num_nextn_predict_layers", "0"}, {"norm_topk_prob", "true"}});
  check_neutral({{"num_experts", "0"}, {"num_experts_per_tok", "8"}, {"moe_intermediate_size", "768"}});
  check_neutral({{"mlp_layer_types", R"(["dense", "dense"])"}});
  check_refused({{"mlp_layer_types", R"(["dense", "sparse"])"}});
  check_refused({{"moe_intermediate_size", "768"}});
  BOOST_CHECK_NE(lines_of(opened({{"num_nextn_predict_layers", "1"}}).inventory), "");
}

BOOST_AUTO_TEST_CASE(scalings_of_the_rotation_that_change_nothing_are_read) {
  for (const char* type : {"linear", "dynamic", "yarn"})
    check_neutral({{"rope_scaling", rope("\"" + std::string(type) + "\", \"factor\": 1.0")}});
  check_neutral({{"rope_scaling", R"({"type": "dynamic", "factor": 2.0})"}});
  check_neutral({{"rope_scaling", rope(R"("yarn", "factor": 1, "attention_factor": 1.0, "beta_fast": 32,)"
                                       R"( "original_max_position_embeddings": 512)")}});
  check_neutral({{"rope_scaling", rope("\"default\", \"factor\": 1.0")}});
  for (const char* rest :
       {R"("linear", "factor": 2.0)", R"("linear")", R"("dynamic")", R"("yarn", "factor": 4.0)",
        R"("yarn", "factor": 1.0, "attention_factor": 0.9)", R"("longrope", "factor": 1.0)",
        R"("yarn", "factor": 1.0, "original_max_position_embeddings": 256)"})
    check_refused({{"rope_scaling", rope(rest)}});
}

// Of the remedies of files nobody knows which program shows them.
BOOST_AUTO_TEST_CASE(a_scaling_is_refused_with_its_factor_and_those_that_are_known) {
  try {
    opened(Keys{{"rope_scaling", R"({"type": "linear", "factor": 2.0})"}});
    BOOST_ERROR("nothing was refused");
  } catch (const Error& error) {
    BOOST_CHECK_EQUAL(error.problem(), "the rope scaling \"linear\" with the factor 2.0 is not supported");
    BOOST_CHECK_NE(error.where().find("key \"rope_scaling.type\""), std::string::npos);
    BOOST_CHECK_NE(error.hint().find("default, llama3, dynamic, and linear or yarn with the factor 1"),
                   std::string::npos);
    BOOST_CHECK_EQUAL(error.hint().find("--model-id"), std::string::npos);
    BOOST_CHECK_EQUAL(error.hint().find("trained without yarn"), std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(gguf_keys_that_change_nothing_are_read) {
  const float scale = 1 / std::sqrt(32.0F);
  check_neutral([&](GgufWriter& w) {
    w.f32("llama.attention.scale", scale).f32("llama.logit_scale", 1).f32("llama.residual_scale", 0);
    w.f32("llama.embedding_scale", 1).f32("llama.final_logit_softcapping", 0);
    w.u32("llama.expert_count", 0).u32("llama.expert_used_count", 0);
    w.u32("llama.expert_feed_forward_length", 64).u32("llama.leading_dense_block_count", 2);
    w.u32("llama.attention.sliding_window", 0).u32("llama.nextn_predict_layers", 0);
    w.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 1);
    w.f32("llama.rope.scaling.attn_factor", 1).scalar("llama.attention.causal", 7, true);
  });
  check_neutral([](GgufWriter& w) {
    w.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 1);
    w.u32("llama.rope.scaling.original_context_length", 512);
    w.f32("llama.rope.scaling.yarn_log_multiplier", 0.1F);
    w.u32("llama.attention.sliding_window", 4096);  // beyond the context of 512
  });
  check_neutral([](GgufWriter& w) { w.f32("llama.attention.scale", 0.176777F); });
}

BOOST_AUTO_TEST_CASE(gguf_keys_that_change_something_are_refused) {
  const auto put = [](const char* key, float value) {
    check_refused(key, [=](GgufWriter& w) { w.f32(std::string("llama.") + key, value); });
  };
  put("attention.scale", 0.125F);
  put("logit_scale", 1.01F);
  put("residual_scale", 0.22F);
  put("rope.scaling.attn_factor", 1.2F);
  put("rope.scaling.factor", 2);
  put("rope.scale_linear", 2);
  check_refused("attention.sliding_window",
                [](GgufWriter& w) { w.u32("llama.attention.sliding_window", 256); });
  check_refused("rope.scaling.factor", [](GgufWriter& w) {
    w.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4);
  });
  check_refused("rope.scaling.type", [](GgufWriter& w) {
    w.text("llama.rope.scaling.type", "longrope").f32("llama.rope.scaling.factor", 1);
  });
}

BOOST_AUTO_TEST_SUITE_END()
