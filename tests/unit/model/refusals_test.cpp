// Every refusal of what a model's files say: tests/support/refusals.hpp.
#include "tests/support/refusals.hpp"

#include "src/model/compute.hpp"
#include "tests/unit/model/llama_gguf.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/Context.h>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;
using Act = std::function<void(const TempDir&)>;

/// A folder whose config.json has these keys otherwise.
Act config(const Keys& changes) {
  return [=](const TempDir& folder) {
    write_config(folder.path(), llama_keys(), changes);
    read_architecture(folder.path());
  };
}
Act rope(const std::string& scaling) {
  return config({{"rope_scaling", scaling}});
}
Act config_text(const std::string& text) {
  return [=](const TempDir& folder) {
    write_file(folder / "config.json", text);
    read_architecture(folder.path());
  };
}

TensorMap tensors_of(const Architecture& architecture) {
  TensorMap out;
  for (const TensorSpec& spec : expected_tensors(architecture))
    out.set(spec.name, HostTensor::zeros(DType::f32, spec.shape));
  return out;
}

/// A folder with one change of its weights.
Act weights(const std::function<void(TensorMap&)>& change) {
  return [=](const TempDir& folder) {
    write_config(folder.path(), llama_keys());
    TensorMap tensors = tensors_of(read_architecture(folder.path()));
    change(tensors);
    write_tensors(folder / "model.safetensors", tensors);
    load_model_files(folder.path());
  };
}
Act one_tensor(const char* name, DType dtype, const std::vector<std::int64_t>& shape) {
  return weights([=](TensorMap& t) { t.set(name, HostTensor::zeros(dtype, shape)); });
}
/// A folder whose weights are these files.
Act files(const std::vector<std::pair<std::string, std::string>>& texts) {
  return [=](const TempDir& folder) {
    write_config(folder.path(), llama_keys());
    for (const auto& [name, text] : texts) write_file(folder / name, text);
    load_model_files(folder.path());
  };
}
Act index(const std::string& map) {
  return files({{"model.safetensors.index.json", "{\"weight_map\": " + map + "}"}});
}

/// A GGUF file of nothing but this.
Act only(const std::function<void(GgufWriter&)>& put) {
  return [=](const TempDir& folder) {
    GgufWriter writer;
    put(writer);
    writer.write(folder / "m.gguf");
    read_architecture(folder / "m.gguf");
  };
}
/// The beginning of one.
Act begun(const std::function<void(GgufWriter&)>& put) {
  return only([=](GgufWriter& w) {
    w.text("general.architecture", "llama")
        .plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 64}));
    put(w.u32("llama.embedding_length", 64));
  });
}
/// The metadata of a llama with other numbers.
Act numbers(const std::function<void(Architecture&)>& change) {
  return [=](const TempDir& folder) {
    write_config(folder.path(), llama_keys(), kLlamaChanges);
    Architecture architecture = read_architecture(folder.path());
    change(architecture);
    only([&](GgufWriter& w) {
      put_architecture(w, architecture).plain("token_embd.weight", HostTensor::zeros(DType::f32, {50, 64}));
    })(folder);
  };
}
/// A whole llama and more, with one tensor less.
Act gguf(const std::function<void(GgufWriter&)>& more, const std::string& left_out = {}) {
  return [=](const TempDir& folder) {
    write_config(folder.path(), llama_keys(), kLlamaChanges);
    const Architecture architecture = read_architecture(folder.path());
    GgufWriter writer;
    more(put_architecture(writer, architecture));
    for (const auto& [name, tensor] : tensors_of(architecture)) {
      const std::string renamed = gguf_tensor_name(name);
      if (renamed != left_out) writer.plain(renamed, tensor);
    }
    writer.write(folder / "m.gguf");
    load_model_files(folder / "m.gguf");
  };
}
Act without(const char* name) {
  return gguf([](GgufWriter&) {}, name);
}
Act beside(const char* name, const HostTensor& tensor, const std::string& left_out = {}) {
  return gguf([=](GgufWriter& w) { w.plain(name, tensor); }, left_out);
}

HostTensor number(float value) {
  HostTensor out = HostTensor::zeros(DType::f32, {1});
  std::memcpy(out.mutable_bytes(), &value, sizeof(value));
  return out;
}

std::vector<Refusal> of_config() {
  const std::string llama3 = R"({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, )"
                             R"("high_freq_factor": 1.0, "original_max_position_embeddings": 8192})";
  return {{"JSON", "not valid", config_text("{\"a\": ")},
          {"JSON object", "[1,2]", config_text("[1, 2]")},
          {"model_type", "missing", config({{"model_type", ""}})},
          {"model_type", "gemma3", config({{"model_type", "\"gemma3\""}})},
          {"vocab_size", "missing", config({{"vocab_size", ""}})},
          {"hidden_size", "16.5", config({{"hidden_size", "16.5"}})},
          {"hidden_size", "-16", config({{"hidden_size", "-16"}})},
          {"rms_norm_eps", "\"x\"", config({{"rms_norm_eps", "\"x\""}})},
          {"rms_norm_eps", "7", config({{"rms_norm_eps", "7"}})},
          {"tie_word_embeddings", "1", config({{"tie_word_embeddings", "1"}})},
          {"hidden_act", "7", config({{"hidden_act", "7"}})},
          {"hidden_act", "\"gelu\"", config({{"hidden_act", "\"gelu\""}})},
          {"num_key_value_heads", "3", config({{"num_key_value_heads", "3"}})},
          {"num_attention_heads 3", "16", config({{"num_attention_heads", "3"}})},
          {"head_dim", "5", config({{"head_dim", "5"}})},
          {"head_dim", "4 heads of 4194304", config({{"head_dim", "4194304"}})},
          {"layer_types", "7", config({{"layer_types", "7"}})},
          {"layer_types", "1 entries", config({{"layer_types", R"(["full_attention"])"}})},
          {"layer_types", "\"x\"", config({{"layer_types", R"(["full_attention", "x"])"}})},
          {"quantization_config", "4", config({{"quantization_config", R"({"bits": 4})"}})},
          {"use_qk_norm", "true", config({{"use_qk_norm", "true"}})},
          {"rope_scaling", "3", rope("3")},
          {"rope_scaling.rope_type", "yarn", rope(R"({"rope_type": "yarn"})")},
          {"rope_scaling.type", "2.0", rope(R"({"type": "linear", "factor": 2.0})")},
          {"rope_scaling.factor", "missing", rope(R"({"rope_type": "llama3"})")},
          {"rope_scaling.high_freq_factor", "1 is not larger than low_freq_factor, 4", rope(llama3)},
          {"rope_scaling.type", "linear", rope(R"({"type": "linear", "rope_type": "default"})")},
          {"rope_scaling.rope_pct", "0.25", rope(R"({"rope_type": "default", "rope_pct": 0.25})")},
          {"rope_scaling.full_attention", "{\"a\":1}", rope(R"({"full_attention": {"a": 1}})")},
          {"rope_scaling", "\"linear\"",
           config({{"rope_scaling", R"({"type": "linear"})"}, {"rope_parameters", "{}"}})}};
}

std::vector<Refusal> of_weights() {
  const char* norm = "model.norm.weight";
  const char* q = "model.layers.0.self_attn.q_proj.weight";
  return {{norm, "missing", weights([=](TensorMap& t) { t.erase(norm); })},
          {"lm_head.weight", "missing", weights([](TensorMap& t) { t.erase("lm_head.weight"); })},
          {"model.embed_tokens.weight", "missing", weights([](TensorMap& t) { t = TensorMap(); })},
          {q, "missing", weights([=](TensorMap& t) {
             t.erase(q);
             t.set("model.layers.0.self_attn.q_proj.qweight", HostTensor::zeros(DType::i32, {2, 2}));
           })},
          {norm, "int32", one_tensor(norm, DType::i32, {16})},
          {norm, "float64", one_tensor(norm, DType::f64, {16})},
          {norm, "float32[15]", one_tensor(norm, DType::f32, {15})},
          {q, "float64", one_tensor(q, DType::f64, {16, 16})},
          {"model.embed_tokens.weight", "float32[51, 16]",
           one_tensor("model.embed_tokens.weight", DType::f32, {51, 16})},
          {"qkv_proj", "float32[33, 16]", weights([=](TensorMap& t) {
             t.erase(q);
             t.set("model.layers.0.self_attn.qkv_proj.weight", HostTensor::zeros(DType::f32, {33, 16}));
           })},
          {norm, "bfloat16[0]", one_tensor(norm, DType::bf16, {0})},
          {"lora_A", "not merged", weights([](TensorMap& t) {
             t.set("model.layers.0.self_attn.q_proj.lora_A.weight", HostTensor::zeros(DType::f32, {2, 16}));
           })},
          {"model.safetensors", "no weights", files({})},
          {"model.safetensors", "no weights", files({{"adapter_model.safetensors", ""}})},
          {"model.safetensors", "no weights", files({{"x.gguf", ""}})},
          {"model.safetensors", "no weights", files({{"x.safetensors", ""}})},
          {"model.safetensors", "no weights", files({{"x.safetensors", ""}, {"y.safetensors", ""}})},
          {"model-00001-of-00002.safetensors", "1 of 2 shards",
           files({{"model-00001-of-00002.safetensors", ""}})},
          {"weight_map", "missing", files({{"model.safetensors.index.json", "{}"}})},
          {"weight_map", "3", index("3")},
          {"weight_map.a", "\"../b\"", index(R"({"a": "../b"})")},
          {"index.json", "b.safetensors", index(R"({"a": "b.safetensors"})")}};
}

std::vector<Refusal> of_gguf_metadata() {
  const auto flag = [](const char* key, auto value) {
    return gguf([=](GgufWriter& w) { w.scalar(key, std::is_same_v<decltype(value), float> ? 6 : 4, value); });
  };
  const auto text = [](const char* key, const char* value) {
    return gguf([=](GgufWriter& w) { w.text(key, value); });
  };
  return {
      {"general.architecture", "missing", only([](GgufWriter&) {})},
      {"general.architecture", "gemma3",
       only([](GgufWriter& w) { w.text("general.architecture", "gemma3"); })},
      {"general.architecture", "1", only([](GgufWriter& w) { w.u32("general.architecture", 1); })},
      {"token_embd.weight", "missing", only([](GgufWriter& w) { w.text("general.architecture", "llama"); })},
      {"token_embd.weight", "0 rows", only([](GgufWriter& w) {
         w.text("general.architecture", "llama").tensor("token_embd.weight", 0, {0, 64}, "");
       })},
      {"llama.attention.head_count", "missing", begun([](GgufWriter&) {})},
      {"llama.attention.head_count", "\"4\"",
       begun([](GgufWriter& w) { w.text("llama.attention.head_count", "4"); })},
      {"llama.attention.head_count", "[4,8]", begun([](GgufWriter& w) {
         w.i32s("llama.attention.head_count", {4, 8});
       })},
      {"llama.attention.head_count", "64 is not a multiple of 5",
       begun([](GgufWriter& w) { w.u32("llama.attention.head_count", 5); })},
      {"llama.attention.head_count_kv", "3", numbers([](Architecture& a) { a.kv_heads = 3; })},
      {"llama.attention.key_length", "31", numbers([](Architecture& a) { a.head_dim = 31; })},
      {"llama.context_length", "0:", numbers([](Architecture& a) { a.max_positions = 0; })},
      {"llama.rope.freq_base", "0:", numbers([](Architecture& a) { a.layers[0].rope.theta = 0; })},
      {"llama.attention.layer_norm_rms_epsilon", "inf",
       numbers([](Architecture& a) { a.rms_norm_eps = std::numeric_limits<double>::infinity(); })},
      {"general.type", "adapter", text("general.type", "adapter")},
      {"llama.expert_count", "8", flag("llama.expert_count", 8U)},
      {"llama.logit_scale", "0.5", flag("llama.logit_scale", 0.5F)},
      {"llama.rope.scaling.type", "yarn", text("llama.rope.scaling.type", "yarn")},
      {"llama.rope.scaling.factor", "4", flag("llama.rope.scaling.factor", 4.0F)},
      {"llama.rope.dimension_count", "8 differs", flag("llama.rope.dimension_count", 8U)},
      {"llama.attn_logit_softcapping", "50", flag("llama.attn_logit_softcapping", 50.0F)},
      {"tokenizer.ggml.tokens", "51", flag("tokenizer.ggml.tokens", 51U)}};
}

std::vector<Refusal> of_gguf_tensors() {
  const char* up = "blk.1.ffn_up.weight";
  const char* scale = "blk.1.ffn_up.scale";
  return {{up, "missing", without(up)},
          {"output_norm.weight", "[63]", beside("output_norm.weight", ones(63), "output_norm.weight")},
          {"blk.0.attn_q_norm.weight", "llama", beside("blk.0.attn_q_norm.weight", ones(16))},
          {"llama.block_count", "blk.2.ffn_norm.weight", beside("blk.2.ffn_norm.weight", ones(64))},
          {"rope_factors_long.weight", "not supported", beside("rope_factors_long.weight", ones(8))},
          {"rope_freqs.weight", "llama3", beside("rope_freqs.weight", ones(7))},
          {scale, "-1", beside(scale, number(-1))},
          {scale, "F32[2]", beside(scale, ones(2))},
          {up, "0.25", beside(scale, number(0.25F))},
          {up, "infinities",
           gguf(
               [=](GgufWriter& w) {
                 const std::string block = std::string("\x00\x7c", 2) + std::string(32, '\x01');
                 std::string all;
                 for (int i = 0; i < 96 * 64 / 32; ++i) all += block;
                 w.tensor(up, static_cast<std::uint32_t>(GgufType::q8_0), {96, 64}, all);
               },
               up)}};
}

/// Messages of the sources that no input of a test provokes.
const std::map<std::string, std::string> kOutOfReach = {
    {" do not fit behind ", "of a caller"},
    {"a pass with gradients cannot use a KV cache", "of a caller"},
    {"caches of different lengths cannot become one", "of a caller"},
    {"the tokens have another number of rows or compute type than those before", "of a caller"},
    {" positions, not ", "of a caller"},
    {"a linear of the decoder has no weights", "of a caller"},
    {"a norm weight must be fp32 and of the width of the model", "of a caller"},
    {"the compute type must be fp32 or bf16", "of a caller"},
    {"the model has no norm of that name", "of a caller"},
    {"tensor is missing: ", "load_model_files has refused such a model before"},
    {"cannot hand out a tensor of type ", "of a caller"},
    {"no LibTorch type for ", "every type of a file has one"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(model_refusals)

BOOST_AUTO_TEST_CASE(each_has_file_field_value_and_a_way_on) {
  std::string all;
  for (const auto& rows : {of_config(), of_weights(), of_gguf_metadata(), of_gguf_tensors()})
    all += check_refusals(rows);
  std::map<std::string, std::string> out_of_reach = kOutOfReach;
  if (at::hasCUDA()) {
    out_of_reach.emplace("no GPU is visible to this build", "here one is visible");
  } else {
    all += check_refusals(
        {{"--device", "cuda", [](const TempDir&) { choose_device(DeviceChoice::cuda, 0, true); }}});
  }
  check_every_message(all, fs::path(ANEMLL_SOURCE_DIR) / "src/model", out_of_reach,
                      [](const std::string& name) { return name.ends_with(".cpp"); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
