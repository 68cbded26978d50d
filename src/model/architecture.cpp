// config.json -> Architecture, by a table of families. What the table cannot express is refused, never
// guessed.
#include "anemll/model/architecture.hpp"

#include "anemll/core/file.hpp"
#include "src/model/config_keys.hpp"
#include "src/model/gguf_config.hpp"
#include "src/model/json_reader.hpp"
#include "src/model/limits.hpp"

#include <array>
#include <string_view>

namespace anemll {
namespace {

/// One row per family: what its implementation fixes and config.json does not say.
struct Family {
  std::string_view name;
  bool qk_norm;
  bool mlp_bias_key;  ///< the family reads "mlp_bias"
};
constexpr std::array kFamilies{
    Family{"llama", /*qk_norm=*/false, /*mlp_bias_key=*/true},
    Family{"qwen3", /*qk_norm=*/true, /*mlp_bias_key=*/false},
};

const Family& find_family(const JsonReader& config) {
  const std::string name = config.required_string("model_type");
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.name == name) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  }
  config.fail("model_type", "the model family \"" + name + "\" is not supported", "known families: " + known);
}

/// Keys that every family has and whose value the decoder fixes; the table of all others is in
/// config_keys.cpp.
void refuse_unsupported(const JsonReader& config) {
  if (config.has("layer_types")) {
    const auto& types = config.at("layer_types");
    if (!types.is_array())
      config.fail("layer_types", "not an array", "remove the key or list one type per layer");
    for (const auto& type : types) {
      if (type != "full_attention") {
        config.fail("layer_types", "layers of type " + type.dump() + " are not supported",
                    "use a model with full attention in every layer");
      }
    }
  }
  if (const auto act = config.string("hidden_act"); act && *act != "silu" && *act != "swish") {
    config.fail("hidden_act", "the activation \"" + *act + "\" is not supported", "use a model with silu");
  }
}

RopeScaling read_llama3_scaling(const JsonReader& rope) {
  const auto required = [&](const char* key, double min, double max) {
    const auto value = rope.number(key, min, max);
    if (!value) rope.fail(key, "the key is missing", "llama3 scaling needs it; see the original config.json");
    return *value;
  };
  RopeScaling scaling;
  scaling.factor = required("factor", 1, kMaxRopeFactor);
  scaling.low_freq_factor = required("low_freq_factor", 1e-6, 1e6);
  scaling.high_freq_factor = required("high_freq_factor", 1e-6, 1e6);
  scaling.original_max_position = rope.required_integer("original_max_position_embeddings", 1, kMaxPositions);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    rope.fail("high_freq_factor", "not larger than low_freq_factor", "see the original config.json");
  }
  return scaling;
}

/// Old files: rope_theta and rope_scaling {type | rope_type}. New ones: rope_parameters {rope_theta,
/// rope_type}.
void read_rope(const JsonReader& config, Architecture& out) {
  out.rope_theta = config.number("rope_theta", 1, kMaxTheta).value_or(out.rope_theta);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto rope = config.object(key);
    if (!rope) continue;
    out.rope_theta = rope->number("rope_theta", 1, kMaxTheta).value_or(out.rope_theta);
    const auto type = rope->string("rope_type").value_or(rope->string("type").value_or("default"));
    if (type == "llama3") {
      out.rope_scaling = read_llama3_scaling(*rope);
    } else if (type != "default") {
      rope->fail("rope_type", "the rope scaling \"" + type + "\" is not supported",
                 "known: default, llama3; for short contexts yarn may be removed by writing null");
    }
    for (const char* nested : {"full_attention", "sliding_attention"}) {
      if (rope->has(nested)) {
        rope->fail(nested, "rope parameters per layer type are not supported", "use a model with one rope");
      }
    }
  }
}

void check_consistency(const JsonReader& config, const Architecture& a) {
  if (a.heads % a.kv_heads != 0) {
    config.fail("num_key_value_heads",
                std::to_string(a.heads) + " heads cannot share " + std::to_string(a.kv_heads) + " kv heads",
                "num_attention_heads must be a multiple of num_key_value_heads");
  }
  if (a.head_dim % 2 != 0) {
    config.fail("head_dim", "the head size " + std::to_string(a.head_dim) + " is odd",
                "rotary embeddings need an even one");
  }
  if (config.has("layer_types") && static_cast<std::int64_t>(config.at("layer_types").size()) != a.layers) {
    config.fail("layer_types", "the list has not num_hidden_layers entries", "correct one of the two keys");
  }
}

}  // namespace

std::string model_config_json(const std::filesystem::path& model) {
  return is_gguf(model) ? gguf_config_json(read_gguf(model)) : read_text(model / "config.json");
}

Architecture read_architecture(const std::filesystem::path& model) {
  Inventory for_nobody;
  return read_architecture(model, for_nobody);
}

Architecture read_architecture(const std::filesystem::path& model, Inventory& inventory) {
  const bool gguf = is_gguf(model);
  const std::filesystem::path file = gguf ? model : model / "config.json";
  const std::optional<GgufFile> metadata = gguf ? std::optional(read_gguf(file)) : std::nullopt;
  const nlohmann::json json =
      metadata ? nlohmann::json::parse(gguf_config_json(*metadata)) : read_json_object(file);
  const JsonReader config(json, file);
  const Family& family = find_family(config);
  refuse_unsupported(config);
  check_config_keys(json, config, family.name, family.qk_norm, inventory);
  if (metadata) check_gguf_keys(*metadata, family.name, inventory);

  Architecture out;
  out.family = family.name;
  out.vocab_size = config.required_integer("vocab_size", 1, kMaxVocab);
  out.hidden_size = config.required_integer("hidden_size", 1, kMaxWidth);
  out.intermediate_size = config.required_integer("intermediate_size", 1, kMaxWidth);
  out.layers = config.required_integer("num_hidden_layers", 1, kMaxLayers);
  out.heads = config.required_integer("num_attention_heads", 1, kMaxWidth);
  out.kv_heads = config.integer("num_key_value_heads", 1, kMaxWidth).value_or(out.heads);
  const auto head_dim = config.integer("head_dim", 1, kMaxWidth);
  if (!head_dim && out.hidden_size % out.heads != 0) {
    config.fail("num_attention_heads", "hidden_size is not a multiple of num_attention_heads",
                "correct one of the two, or say head_dim");
  }
  out.head_dim = head_dim.value_or(out.hidden_size / out.heads);
  if (out.heads * out.head_dim > kMaxWidth)
    config.fail("head_dim", "the attention is too wide", "check head_dim");
  out.max_positions = config.integer("max_position_embeddings", 1, kMaxPositions).value_or(2048);
  out.rms_norm_eps = config.number("rms_norm_eps", 0, 1).value_or(out.rms_norm_eps);
  out.qk_norm = family.qk_norm;
  out.attention_bias = config.boolean("attention_bias").value_or(false);
  out.mlp_bias = family.mlp_bias_key && config.boolean("mlp_bias").value_or(false);
  out.tied_embeddings = config.boolean("tie_word_embeddings").value_or(false);
  read_rope(config, out);
  check_consistency(config, out);
  return out;
}

std::vector<LinearSpec> body_linears(const Architecture& a) {
  const std::int64_t q = a.heads * a.head_dim;
  const std::int64_t kv = a.kv_heads * a.head_dim;
  std::vector<LinearSpec> list;
  for (std::int64_t i = 0; i < a.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const std::string attention = layer + "self_attn.";
    const std::string mlp = layer + "mlp.";
    list.push_back({attention + "q_proj", q, a.hidden_size, false, a.attention_bias});
    list.push_back({attention + "k_proj", kv, a.hidden_size, false, a.attention_bias});
    list.push_back({attention + "v_proj", kv, a.hidden_size, false, a.attention_bias});
    list.push_back({attention + "o_proj", a.hidden_size, q, false, a.attention_bias});
    list.push_back({mlp + "gate_proj", a.intermediate_size, a.hidden_size, true, a.mlp_bias});
    list.push_back({mlp + "up_proj", a.intermediate_size, a.hidden_size, true, a.mlp_bias});
    list.push_back({mlp + "down_proj", a.hidden_size, a.intermediate_size, true, a.mlp_bias});
  }
  return list;
}

std::vector<TensorSpec> expected_tensors(const Architecture& a) {
  constexpr std::size_t kAttentionLinears = 4;
  constexpr std::size_t kLayerLinears = 7;
  const std::vector<LinearSpec> linears = body_linears(a);
  std::vector<TensorSpec> list;
  const auto add_linear = [&list](const LinearSpec& linear) {
    list.push_back({linear.name + ".weight", {linear.out, linear.in}});
    if (linear.bias) list.push_back({linear.name + ".bias", {linear.out}});
  };
  list.push_back({"model.embed_tokens.weight", {a.vocab_size, a.hidden_size}});
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.layers); ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const std::size_t first = i * kLayerLinears;
    for (std::size_t j = 0; j < kAttentionLinears; ++j) add_linear(linears[first + j]);
    if (a.qk_norm) {
      list.push_back({layer + "self_attn.q_norm.weight", {a.head_dim}});
      list.push_back({layer + "self_attn.k_norm.weight", {a.head_dim}});
    }
    for (std::size_t j = kAttentionLinears; j < kLayerLinears; ++j) add_linear(linears[first + j]);
    list.push_back({layer + "input_layernorm.weight", {a.hidden_size}});
    list.push_back({layer + "post_attention_layernorm.weight", {a.hidden_size}});
  }
  list.push_back({"model.norm.weight", {a.hidden_size}});
  list.push_back({"lm_head.weight", {a.vocab_size, a.hidden_size}});
  return list;
}

}  // namespace anemll
