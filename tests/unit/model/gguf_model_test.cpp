// GGUF files as models: the same architecture, weights and logits as the folder that they were made from, and
// refusals of what would be computed otherwise.
#include "tests/support/gguf_model.hpp"

#include "anemll/core/half.hpp"
#include "src/model/decoder.hpp"
#include "src/model/internal/rope.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/memory_file.hpp"
#include "tests/support/real_models.hpp"
#include "tests/unit/model/llama_gguf.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <boost/test/unit_test.hpp>

using namespace anemll;
using namespace anemll::test;

namespace {

at::Tensor logits(const ModelFiles& files) {
  Decoder decoder(files, at::kCPU, /*dense=*/true);
  std::vector<std::int64_t> ids(std::size_t{2} * 12);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i * 7 % 50);
  const at::Tensor input = at::empty({2, 12}, at::TensorOptions().dtype(at::kLong));
  std::memcpy(input.data_ptr(), ids.data(), ids.size() * sizeof(ids[0]));
  return decoder.logits(decoder.hidden(input, {}));
}

void check_same_architecture(const Architecture& a, const Architecture& b) {
  BOOST_CHECK_EQUAL(a.family, b.family);
  BOOST_CHECK_EQUAL(a.vocab_size, b.vocab_size);
  BOOST_CHECK_EQUAL(a.hidden_size, b.hidden_size);
  BOOST_CHECK_EQUAL(a.intermediate_size, b.intermediate_size);
  BOOST_CHECK_EQUAL(a.heads, b.heads);
  BOOST_CHECK_EQUAL(a.kv_heads, b.kv_heads);
  BOOST_CHECK_EQUAL(a.head_dim, b.head_dim);
  BOOST_CHECK_EQUAL(a.max_positions, b.max_positions);
  BOOST_CHECK_EQUAL(a.rms_norm_eps, b.rms_norm_eps);  // through float and back
  BOOST_CHECK_EQUAL(a.tied_embeddings, b.tied_embeddings);
  BOOST_CHECK(a.layers == b.layers);
}

void check_same_model(const ModelFiles& folder, const ModelFiles& gguf) {
  check_same_architecture(folder.architecture, gguf.architecture);
  BOOST_REQUIRE_EQUAL(folder.tensors.size(), gguf.tensors.size());
  for (const auto& [name, tensor] : folder.tensors) {
    const HostTensor* other = gguf.tensors.find(name);
    BOOST_REQUIRE_MESSAGE(other != nullptr && other->describe() == tensor.describe(), name);
    BOOST_CHECK_MESSAGE(std::memcmp(other->data, tensor.data, tensor.bytes()) == 0, name);
  }
  BOOST_CHECK_EQUAL(head_sha256(folder), head_sha256(gguf));
  BOOST_CHECK_EQUAL(folder.fingerprint, gguf.fingerprint);
  BOOST_CHECK(at::equal(logits(folder), logits(gguf)));
}

/// The error of a llama file after a change of what is written.
void refused(const std::function<void(GgufWriter&)>& more, const std::string& where, const std::string& what,
             const std::string& left_out = "") {
  const TempDir folder;
  const ModelFiles files = llama_folder(folder);
  GgufWriter writer;
  put_architecture(writer, files.architecture);
  more(writer);
  for (const auto& [name, tensor] : files.tensors) {
    const std::string renamed = gguf_tensor_name(name);
    if (renamed != left_out) writer.plain(renamed, gguf_layout(files.architecture, name, tensor));
  }
  writer.write(folder / "m.gguf");
  BOOST_TEST_CONTEXT(what) {
    check_data_error([&] { load_model_files(folder / "m.gguf"); }, where, what);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model)

BOOST_AUTO_TEST_CASE(a_qwen3_gguf_is_its_folder) {
  const TempDir folder;
  const ModelFiles nano = load_model_files(golden("nano"));
  GgufWriter writer;
  put_tensors(put_architecture(writer, nano.architecture), nano.architecture, nano.tensors);
  writer.write(folder / "nano.gguf");
  const ModelFiles gguf = load_model_files(folder / "nano.gguf");
  BOOST_CHECK(gguf.folder == folder / "nano.gguf");
  check_same_model(nano, gguf);
  // The tied head is the embedding itself, and both are views of the file.
  BOOST_CHECK_EQUAL(gguf.tensors.find("lm_head.weight")->data,
                    gguf.tensors.find("model.embed_tokens.weight")->data);
  BOOST_CHECK_EQUAL(gguf.maps.size(), 1U);
  gguf.release_pages();
  BOOST_CHECK_EQUAL(head_sha256(nano), head_sha256(gguf));
}

BOOST_AUTO_TEST_CASE(a_qwen2_gguf_is_its_folder) {
  const TempDir folder;
  const ModelFiles nano = load_model_files(golden("qwen2_nano"));
  GgufWriter writer;
  put_tensors(put_architecture(writer, nano.architecture), nano.architecture, nano.tensors);
  writer.write(folder / "nano.gguf");
  const ModelFiles gguf = load_model_files(folder / "nano.gguf");
  check_same_model(nano, gguf);
  BOOST_CHECK(gguf.inventory.left_out_lines().empty());
  BOOST_CHECK(gguf.tensors.contains("model.layers.1.self_attn.k_proj.bias"));

  GgufWriter without;
  put_architecture(without, nano.architecture);
  for (const auto& [name, tensor] : nano.tensors) {
    if (name != "lm_head.weight" && name != "model.layers.0.self_attn.v_proj.bias")
      without.plain(gguf_tensor_name(name), tensor);
  }
  without.write(folder / "broken.gguf");
  check_data_error([&] { load_model_files(folder / "broken.gguf"); }, "broken.gguf",
                   "blk.0.attn_v.bias is missing");
}

BOOST_AUTO_TEST_CASE(a_llama_gguf_is_its_folder) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  GgufWriter writer;
  put_tensors(put_architecture(writer, llama.architecture), llama.architecture, llama.tensors);
  writer.write(folder / "llama.gguf");
  check_same_model(llama, load_model_files(folder / "llama.gguf"));

  // The order of rows matters to the test: without the permutation the model is another one.
  GgufWriter unpermuted;
  put_architecture(unpermuted, llama.architecture);
  for (const auto& [name, tensor] : llama.tensors) unpermuted.plain(gguf_tensor_name(name), tensor);
  unpermuted.write(folder / "wrong.gguf");
  BOOST_CHECK(!at::equal(logits(llama), logits(load_model_files(folder / "wrong.gguf"))));
}

BOOST_AUTO_TEST_CASE(gguf_rope_scaling_of_llama3_is_recognised) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(
      folder, {{"rope_theta", "500000.0"},
               {"rope_scaling", R"({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                 "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})"}});
  const Rope rope = llama.architecture.layers.front().rope;
  const std::vector<float> scaled = rope_frequencies(rope, 16),
                           unscaled = rope_frequencies({rope.theta, {}}, 16);
  for (const double error : {1.0, 1.01}) {
    HostTensor divisors = ones(8);
    for (std::size_t i = 0; i < 8; ++i) {
      const auto d = static_cast<float>(static_cast<double>(unscaled[i]) / static_cast<double>(scaled[i]) *
                                        (i == 5 ? error : 1.0));
      std::memcpy(divisors.mutable_bytes() + i * 4, &d, sizeof(d));
    }
    GgufWriter writer;
    put_tensors(put_architecture(writer, llama.architecture), llama.architecture, llama.tensors);
    writer.plain("rope_freqs.weight", divisors).write(folder / "m.gguf");
    if (error != 1.0) {
      check_data_error([&] { load_model_files(folder / "m.gguf"); }, "m.gguf", "rope_freqs.weight");
      continue;
    }
    const ModelFiles gguf = load_model_files(folder / "m.gguf");
    check_same_model(llama, gguf);
    BOOST_CHECK((gguf.architecture.layers[1].rope.scaling == RopeScaling{32, 1, 4, 8192}));
  }
  // Divisors of one scale nothing.
  GgufWriter writer;
  put_tensors(put_architecture(writer, llama.architecture), llama.architecture, llama.tensors);
  writer.plain("rope_freqs.weight", ones(8)).write(folder / "one.gguf");
  BOOST_CHECK(!read_architecture(folder / "one.gguf").layers[0].rope.scaling.has_value());
}

BOOST_AUTO_TEST_CASE(the_rendered_config_reads_as_a_folder) {
  const TempDir folder;
  const ModelFiles llama = llama_folder(folder);
  GgufWriter writer;
  put_architecture(writer, llama.architecture).u32("tokenizer.ggml.eos_token_id", 2);
  put_tensors(writer, llama.architecture, llama.tensors).write(folder / "m.gguf");
  const TempDir copy;
  const std::string text = open_model(folder / "m.gguf").config;
  BOOST_CHECK(text.find("\"eos_token_id\": 2") != std::string::npos);
  write_file(copy / "config.json", text);
  check_same_architecture(read_architecture(copy.path()), llama.architecture);
  BOOST_CHECK_EQUAL(open_model(copy.path()).config, text);
}

BOOST_AUTO_TEST_CASE(gguf_models_that_compute_something_else_are_refused) {
  refused([](GgufWriter& w) { w.u32("llama.expert_count", 8); }, "llama.expert_count", "expert_count");
  refused([](GgufWriter& w) { w.u32("llama.attention.sliding_window", 64); }, "sliding_window",
          "not supported");
  refused([](GgufWriter& w) { w.f32("llama.logit_scale", 0.5F); }, "logit_scale", "not supported");
  refused([](GgufWriter& w) { w.text("llama.rope.scaling.type", "yarn"); }, "rope.scaling.type", "yarn");
  refused([](GgufWriter& w) { w.f32("llama.rope.scaling.factor", 4); }, "rope.scaling.factor", "linear");
  refused([](GgufWriter& w) { w.u32("split.count", 3); }, "split.count", "part 1 of 3");
  refused([](GgufWriter& w) { w.text("general.type", "adapter"); }, "general.type", "adapter");
  refused([](GgufWriter& w) { w.u32("llama.rope.dimension_count", 8); }, "dimension_count", "head size");
  refused([](GgufWriter& w) { w.u32("llama.attention.value_length", 8); }, "value_length", "head size");
  refused([](GgufWriter& w) { w.plain("blk.0.attn_q_norm.weight", ones(16)); }, "m.gguf", "has no place");
  refused([](GgufWriter& w) { w.plain("blk.2.ffn_norm.weight", ones(64)); }, "llama.block_count",
          "beyond the last layer");
  refused([](GgufWriter& w) { w.plain("rope_factors_long.weight", ones(8)); }, "m.gguf", "rope_factors_long");
  refused([](GgufWriter& w) { w.plain("rope_freqs.weight", ones(7)); }, "m.gguf", "rope_freqs");
  refused([](GgufWriter& w) { w.u32("tokenizer.ggml.tokens", 51); }, "tokenizer.ggml.tokens",
          "not a list of texts");
}

BOOST_AUTO_TEST_CASE(incomplete_gguf_models_are_refused) {
  refused([](GgufWriter&) {}, "m.gguf", "blk.1.ffn_up.weight is missing", "blk.1.ffn_up.weight");
  refused([](GgufWriter&) {}, "m.gguf", "token_embd.weight is missing", "token_embd.weight");
  refused([](GgufWriter&) {}, "m.gguf", "output_norm.weight is missing", "output_norm.weight");
  refused([](GgufWriter& w) { w.plain("output_norm.weight", ones(63)); }, "m.gguf", "the metadata says [64]",
          "output_norm.weight");
  refused(
      [](GgufWriter& w) {
        w.tensor("output.weight", 41, {50, 64}, std::string(1800, '\0'));
      },
      "m.gguf", "Q1_0", "output.weight");
  // A head left out is a tied one; a bias left out of one projection is a fault.
  refused([](GgufWriter&) {}, "m.gguf", "blk.1.attn_k.bias is missing", "blk.1.attn_k.bias");
}

BOOST_AUTO_TEST_CASE(gguf_models_survive_flipped_bytes) {
  // Whatever a damaged byte makes of metadata and directory: a model or a data error.
  const TempDir folder;
  const ModelFiles files = llama_folder(folder, {{"vocab_size", "8"},
                                                 {"hidden_size", "8"},
                                                 {"intermediate_size", "8"},
                                                 {"num_hidden_layers", "1"},
                                                 {"attention_bias", "false"},
                                                 {"mlp_bias", "false"}});
  GgufWriter writer;
  put_architecture(writer, files.architecture).f32("llama.rope.scaling.factor", 1);
  writer.texts("tokenizer.ggml.tokens", {"a", "b"}).plain("rope_freqs.weight", ones(1));
  const std::string whole = put_tensors(writer, files.architecture, files.tensors).bytes();
  std::size_t header = whole.size();
  for (const auto& entry : files.tensors) header -= entry.second.bytes();
  int loaded = 0, refusals = 0;
  for (std::size_t i = 0; i < header; ++i) {
    for (const unsigned flip : {0x01U, 0x80U}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ flip);
      const MemoryFile file(bytes);
      try {
        // A damaged magic makes it a folder without config.json, which is an error too.
        BOOST_CHECK(load_model_files(file.path()).tensors.size() >= files.tensors.size());
        ++loaded;
      } catch (const Error& error) {
        BOOST_CHECK(error.code() == ExitCode::data && !error.hint().empty());
        ++refusals;
      }
    }
  }
  BOOST_CHECK(loaded > 0 && refusals > loaded);
}

/// The published config.json of SmolLM2-135M-Instruct.
BOOST_AUTO_TEST_CASE(smollm2_gguf_is_the_published_model, *needs_models({"smollm2.gguf"})) {
  const ModelFiles model = load_model_files(test_models() / "smollm2.gguf");
  Architecture published;
  published.family = "llama";
  published.vocab_size = 49152;
  published.hidden_size = 576;
  published.intermediate_size = 1536;
  published.heads = 9;
  published.kv_heads = 3;
  published.head_dim = 64;
  published.max_positions = 8192;
  published.rms_norm_eps = model.architecture.rms_norm_eps;
  published.layers.resize(30);
  for (LayerSpec& layer : published.layers) layer.rope.theta = 100000;
  published.tied_embeddings = true;
  check_same_architecture(model.architecture, published);
  BOOST_TEST(model.architecture.rms_norm_eps == 1e-5,
             boost::test_tools::tolerance(1e-6));  // a float in the file

  for (const TensorSpec& spec : expected_tensors(model.architecture)) {
    const HostTensor* tensor = model.tensors.find(spec.name);
    BOOST_REQUIRE_MESSAGE((tensor != nullptr && tensor->shape == spec.shape) || spec.name == "lm_head.weight",
                          spec.name);
    if (tensor == nullptr) continue;
    const at::Tensor values = as_torch(*tensor).to(at::kFloat);
    BOOST_CHECK_MESSAGE(values.isfinite().all().item<bool>(), spec.name);
    // Trained weights: neither blank nor of a size that a misread scale gives.
    const double size = values.abs().mean().item<double>();
    BOOST_CHECK_MESSAGE(size > 1e-3 && size < 20, spec.name << ": " << size);
  }
}

BOOST_AUTO_TEST_CASE(smollm2_gguf_equals_its_folder, *needs_models({"smollm2.gguf", "smollm2"})) {
  const std::filesystem::path models = test_models();
  const ModelFiles gguf = load_model_files(models / "smollm2.gguf");
  const ModelFiles folder = load_model_files(models / "smollm2");
  check_same_architecture(gguf.architecture, folder.architecture);
  BOOST_CHECK_EQUAL(gguf.fingerprint, folder.fingerprint);
  for (const auto& [name, tensor] : folder.tensors) {
    const HostTensor* other = gguf.tensors.find(name);
    BOOST_REQUIRE_MESSAGE(other != nullptr && other->shape == tensor.shape, name);
    HostTensor half = *other;
    if (other->dtype == DType::f32) {  // norms; the folder has all in F16
      const std::span<const float> values(reinterpret_cast<const float*>(other->data),
                                          static_cast<std::size_t>(other->numel()));
      half = HostTensor::zeros(DType::f16, other->shape);
      float_to_half(values, {reinterpret_cast<std::uint16_t*>(half.mutable_bytes()), values.size()});
    }
    BOOST_CHECK_MESSAGE(std::memcmp(half.data, tensor.data, tensor.bytes()) == 0, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
