// What GGUF metadata says of a model: missing keys, wrong types and numbers out of range, each by its own
// key.
#include "src/model/internal/config_keys.hpp"
#include "tests/support/gguf_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <limits>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(gguf_metadata_is_checked) {
  const TempDir folder;
  const auto error = [&](const GgufWriter& writer, const std::string& where, const std::string& what) {
    writer.write(folder / "m.gguf");
    BOOST_TEST_CONTEXT(what) {
      check_data_error([&] { read_architecture(folder / "m.gguf"); }, where, what);
    }
  };
  HostTensor embedding = HostTensor::zeros(DType::f32, {50, 64});
  const auto start = [&](const std::string& family) {
    GgufWriter writer;
    writer.text("general.architecture", family).plain("token_embd.weight", embedding);
    return writer;
  };
  error(GgufWriter(), "general.architecture", "missing");
  error(start("gemma3"), "general.architecture", "gemma3");
  error(GgufWriter().u32("general.architecture", 1), "general.architecture", "not a text");
  error(start("llama"), "llama.embedding_length", "missing");
  error(start("llama").text("llama.embedding_length", "64"), "llama.embedding_length", "not a number");
  error(start("llama").scalar<std::int64_t>("llama.embedding_length", 11, -64), "llama.embedding_length",
        "not a number");
  error(start("llama").scalar<std::uint64_t>("llama.embedding_length", 10, ~std::uint64_t{0}),
        "llama.embedding_length", "not a number");
  error(start("llama").u32("llama.embedding_length", 64).u32("llama.attention.head_count", 0), "head_count",
        "0: not a number from 1");
  error(start("llama").u32("llama.embedding_length", 64).u32("llama.attention.head_count", 5), "head_count",
        "multiple");
  error(start("llama").u32("llama.embedding_length", 64).i32s("llama.attention.head_count", {4, 8}),
        "head_count", "per layer");
  GgufWriter whole = start("llama");
  whole.u32("llama.embedding_length", 64).u32("llama.attention.head_count", 4);
  error(whole, "layer_norm_rms_epsilon", "missing");
  whole.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  error(whole, "llama.feed_forward_length", "missing");
  whole.u32("llama.feed_forward_length", 96).u32("llama.block_count", 0).u32("llama.context_length", 128);
  error(whole, "llama.block_count", "0: not a number from 1");
}

BOOST_AUTO_TEST_CASE(gguf_numbers_out_of_range_name_their_key) {
  const TempDir folder;
  const Architecture good = read_architecture(golden("nano"));
  const auto error = [&](const std::string& key, const std::string& what, const auto& change) {
    Architecture a = good;
    change(a);
    GgufWriter writer;
    put_architecture(writer, a).plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 64}));
    writer.write(folder / "m.gguf");
    BOOST_TEST_CONTEXT(key << " " << what) {
      check_data_error([&] { read_architecture(folder / "m.gguf"); }, "key \"qwen3." + key + "\"", what);
    }
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double bad : {kNan, kInfinity, -kInfinity}) {
    error("attention.layer_norm_rms_epsilon", "not a finite", [&](Architecture& a) { a.rms_norm_eps = bad; });
    error("rope.freq_base", "not a finite", [&](Architecture& a) { a.layers[0].rope.theta = bad; });
  }
  error("attention.layer_norm_rms_epsilon", "not a number from 0 to 1",
        [](Architecture& a) { a.rms_norm_eps = 2; });
  error("rope.freq_base", "not a number from 1", [](Architecture& a) { a.layers[0].rope.theta = 0; });
  error("attention.head_count_kv", "cannot share", [](Architecture& a) { a.kv_heads = 3; });
  error("attention.head_count_kv", "not a number", [](Architecture& a) { a.kv_heads = 0; });
  error("attention.key_length", "not a number", [](Architecture& a) { a.head_dim = 0; });
  error("attention.key_length", "even size", [](Architecture& a) { a.head_dim = 31; });
  error("attention.key_length", "4 heads of 4194304", [](Architecture& a) { a.head_dim = 1 << 22; });
  error("block_count", "5000: not a number from 1 to 4096",
        [](Architecture& a) { a.layers.resize(5000, a.layers[0]); });
  error("context_length", "not a number", [](Architecture& a) { a.max_positions = 0; });
  error("feed_forward_length", "not a number", [](Architecture& a) { a.intermediate_size = 1 << 23; });
  GgufWriter scale;
  put_architecture(scale, good).f32("qwen3.logit_scale", std::numeric_limits<float>::quiet_NaN());
  scale.plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 64}));
  scale.write(folder / "m.gguf");
  check_data_error([&] { read_architecture(folder / "m.gguf"); }, "qwen3.logit_scale", "not a finite");
}

BOOST_AUTO_TEST_CASE(every_gguf_key_has_a_fate) {
  const TempDir folder;
  const auto read = [&](const std::function<void(GgufWriter&)>& change) {
    GgufWriter writer;
    put_architecture(writer, read_architecture(golden("nano")));
    writer.plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 64}));
    change(writer);
    writer.write(folder / "m.gguf");
    const Inventory inventory = open_model(folder / "m.gguf").inventory;
    std::string all;
    for (const std::string& line : inventory.left_out_lines()) all += line + '\n';
    return all;
  };
  BOOST_CHECK_EQUAL(read([](GgufWriter& writer) {
                      writer.text("general.name", "x").u32("general.file_type", 2);
                      writer.u32("qwen3.vocab_size", 50).u32("qwen3.expert_used_count", 0);
                      writer.f32("qwen3.attn_logit_softcapping", 0).scalar("qwen3.attention.causal", 7, true);
                    }),
                    "");
  BOOST_CHECK_EQUAL(
      read([](GgufWriter& writer) { writer.u32("qwen3.strange", 1).u32("llama.block_count", 2); }),
      "not used: 2 keys (llama.block_count, qwen3.strange): no rule for it is known\n");
  const auto refuses = [&](const std::string& key, const std::function<void(GgufWriter&)>& change) {
    check_data_error([&] { read(change); }, "m.gguf, key \"" + key + "\"", "not supported");
  };
  refuses("qwen3.attn_logit_softcapping", [](GgufWriter& w) { w.f32("qwen3.attn_logit_softcapping", 50); });
  refuses("qwen3.expert_used_count", [](GgufWriter& w) { w.u32("qwen3.expert_used_count", 8); });
  refuses("qwen3.attention.causal", [](GgufWriter& w) { w.scalar("qwen3.attention.causal", 7, false); });
}

BOOST_AUTO_TEST_SUITE_END()
