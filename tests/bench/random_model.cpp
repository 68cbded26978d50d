// A model of a known shape with random weights, and a KD cache for it, where no real one can be carried: what
// a training step costs does not depend on the values.
//   random_model SHAPE OUT [SEQUENCES [LENGTH]]     SHAPE: nano, smollm2-135m or qwen3-0.6b
// Writes OUT/model and OUT/cache.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/half.hpp"
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/rng.hpp"
#include "src/core/tool.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace anemll;
using nlohmann::ordered_json;

namespace {

struct Shape {
  const char* name;
  const char* family;  ///< model_type
  const char* architecture;
  std::int64_t vocab, hidden, intermediate, layers, heads, kv_heads, head_dim;
  bool head_norms;
};
constexpr Shape kShapes[] = {
    {"nano", "qwen3", "Qwen3ForCausalLM", 4096, 64, 96, 2, 4, 2, 32, true},
    {"smollm2-135m", "llama", "LlamaForCausalLM", 49152, 576, 1536, 30, 9, 3, 64, false},
    {"qwen3-0.6b", "qwen3", "Qwen3ForCausalLM", 151936, 1024, 3072, 28, 16, 8, 128, true},
};
constexpr std::int64_t kTopK = 32;
constexpr double kSpread = 0.02;  ///< standard deviation of the weights, as models are initialised

enum Stream : std::uint64_t { tokens_stream, candidates_stream, first_weight_stream };
constexpr std::uint64_t kSeed = 1;

std::uint16_t bf16_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

/// Uniform weights of that standard deviation; norms are ones.
LazyTensor weight(std::uint64_t number, std::string name, std::vector<std::int64_t> shape) {
  LazyTensor tensor;
  tensor.dtype = DType::bf16;
  tensor.shape = shape;
  const bool norm = shape.size() == 1;
  tensor.make = [shape, norm, number] {
    const CounterRng random(kSeed, first_weight_stream + number);
    HostTensor made = HostTensor::zeros(DType::bf16, shape);
    auto* out = reinterpret_cast<std::uint16_t*>(made.mutable_bytes());
    for (std::int64_t i = 0; i < made.numel(); ++i) {
      const double value =
          norm ? 1.0 : kSpread * std::sqrt(12.0) * (random.uniform(static_cast<std::uint64_t>(i)) - 0.5);
      out[i] = bf16_of(static_cast<float>(value));
    }
    return made;
  };
  tensor.name = std::move(name);
  return tensor;
}

void write_model(const Shape& s, const fs::path& folder) {
  fs::create_directories(folder);
  const ordered_json config{{"architectures", {s.architecture}},
                            {"model_type", s.family},
                            {"vocab_size", s.vocab},
                            {"hidden_size", s.hidden},
                            {"intermediate_size", s.intermediate},
                            {"num_hidden_layers", s.layers},
                            {"num_attention_heads", s.heads},
                            {"num_key_value_heads", s.kv_heads},
                            {"head_dim", s.head_dim},
                            {"hidden_act", "silu"},
                            {"max_position_embeddings", 4096},
                            {"rms_norm_eps", 1e-6},
                            {"rope_theta", 1000000.0},
                            {"tie_word_embeddings", true},
                            {"attention_bias", false},
                            {"torch_dtype", "bfloat16"}};
  write_file(folder / "config.json", config.dump(2) + "\n");
  std::vector<LazyTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    tensors.push_back(weight(tensors.size(), name + ".weight", std::move(shape)));
  };
  add("model.embed_tokens", {s.vocab, s.hidden});
  add("model.norm", {s.hidden});
  const std::int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  for (std::int64_t l = 0; l < s.layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    add(layer + "input_layernorm", {s.hidden});
    add(layer + "post_attention_layernorm", {s.hidden});
    add(layer + "self_attn.q_proj", {q, s.hidden});
    add(layer + "self_attn.k_proj", {kv, s.hidden});
    add(layer + "self_attn.v_proj", {kv, s.hidden});
    add(layer + "self_attn.o_proj", {s.hidden, q});
    if (s.head_norms) {
      add(layer + "self_attn.q_norm", {s.head_dim});
      add(layer + "self_attn.k_norm", {s.head_dim});
    }
    add(layer + "mlp.gate_proj", {s.intermediate, s.hidden});
    add(layer + "mlp.up_proj", {s.intermediate, s.hidden});
    add(layer + "mlp.down_proj", {s.hidden, s.intermediate});
  }
  write_safetensors(folder / "model.safetensors", tensors);
}

/// Random tokens, each with the candidates of a teacher that is as sure as real ones are.
void write_cache(const Shape& s, const fs::path& folder, std::int64_t sequences, std::int64_t length) {
  fs::create_directories(folder);
  HostTensor ids = HostTensor::zeros(DType::i32, {sequences, length});
  HostTensor mask = HostTensor::zeros(DType::u8, {sequences, length});
  HostTensor index = HostTensor::zeros(DType::i32, {sequences, length - 1, kTopK});
  HostTensor logits = HostTensor::zeros(DType::f16, {sequences, length - 1, kTopK});
  const CounterRng token(kSeed, tokens_stream), choice(kSeed, candidates_stream);
  auto* id = reinterpret_cast<std::int32_t*>(ids.mutable_bytes());
  for (std::int64_t i = 0; i < ids.numel(); ++i)
    id[i] = static_cast<std::int32_t>(token.uniform(static_cast<std::uint64_t>(i)) *
                                      static_cast<double>(s.vocab));
  std::memset(mask.mutable_bytes(), 1, mask.bytes());
  auto* candidate = reinterpret_cast<std::int32_t*>(index.mutable_bytes());
  auto* logit = reinterpret_cast<std::uint16_t*>(logits.mutable_bytes());
  const std::int64_t stride = s.vocab / kTopK;
  for (std::int64_t i = 0; i < index.numel(); ++i) {
    const std::int64_t k = i % kTopK;  // one of each part of the vocabulary, so that none comes twice
    candidate[i] = static_cast<std::int32_t>(
        k * stride + static_cast<std::int64_t>(choice.uniform(static_cast<std::uint64_t>(i)) *
                                               static_cast<double>(stride)));
    logit[i] = float_to_half(20.0f - 8.0f * std::log1p(static_cast<float>(k)));
  }
  const std::vector<LazyTensor> tensors{lazy("input_ids", ids), lazy("attention_mask", mask),
                                        lazy("topk_idx", index), lazy("topk_logits", logits)};
  write_torch_file(folder / "shard_00000.pt", tensors);
  const ordered_json meta{{"format", "qwen_kd_topk_cache_v1"},
                          {"teacher_model", s.name},
                          {"max_length", length},
                          {"topk", kTopK},
                          {"rand_neg", 0},
                          {"num_sequences", sequences},
                          {"vocab_size", s.vocab}};
  write_file(folder / "meta.json", meta.dump(2) + "\n");
}

const Shape& shape_named(const std::string& name) {
  for (const Shape& s : kShapes) {
    if (name == s.name) return s;
  }
  throw_usage("no shape '" + name + "'", "random_model", "nano, smollm2-135m or qwen3-0.6b");
}

}  // namespace

int main(int argc, char** argv) {
  return run_tool([&] {
    if (argc < 3) throw_usage("SHAPE and OUT are missing", "random_model", "random_model smollm2-135m OUT");
    const Shape& shape = shape_named(argv[1]);
    const fs::path out = argv[2];
    write_model(shape, out / "model");
    write_cache(shape, out / "cache", argc > 3 ? std::atoll(argv[3]) : 64,
                argc > 4 ? std::atoll(argv[4]) : 256);
    return 0;
  });
}
