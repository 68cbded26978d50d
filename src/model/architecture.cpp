// config.json -> Architecture, by a row of the table of families. What the row cannot express is refused,
// never guessed.
#include "anemll/model/architecture.hpp"

#include "anemll/core/log.hpp"
#include "anemll/model/model_files.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/printable.hpp"
#include "src/model/internal/config_keys.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/gguf_config.hpp"
#include "src/model/internal/json_reader.hpp"
#include "src/model/internal/limits.hpp"

#include <array>
#include <memory>
#include <string_view>

namespace anemll {
namespace {

const Family& family_of(const JsonReader& config, std::span<const Family> families) {
  const std::string name = config.required_string("model_type");
  if (const Family* family = find_family(families, name)) return *family;
  config.fail("model_type", "the model family \"" + name + "\" is not supported",
              "known families: " + family_names(families));
}

Activation read_activation(const JsonReader& config) {
  struct Named {
    std::string_view name;
    Activation activation;
  };
  constexpr std::array kActivations{Named{"silu", Activation::silu}, Named{"swish", Activation::silu},
                                    Named{"gelu_pytorch_tanh", Activation::gelu_tanh}};
  const std::string name = config.string("hidden_act").value_or("silu");
  for (const Named& known : kActivations) {
    if (known.name == name) return known.activation;
  }
  config.fail("hidden_act", "the activation \"" + name + "\" is not supported",
              "use a model with silu or gelu_pytorch_tanh");
}

/// The window of each layer, 0 where a token sees all before it. Layers slide by their type or, without a
/// list of types, from number max_window_layers on.
std::vector<std::int64_t> read_windows(const JsonReader& config, const Family& family, std::int64_t layers) {
  constexpr std::int64_t kWindow = 4096, kFirstSliding = 28;  // where a key is missing
  const bool slides = family.windows && config.boolean("use_sliding_window").value_or(false);
  const std::int64_t window =
      slides ? config.integer("sliding_window", 1, kMaxPositions).value_or(kWindow) : 0;
  std::vector<std::int64_t> windows(static_cast<std::size_t>(layers), 0);
  if (!config.has("layer_types")) {
    const std::int64_t first =
        slides ? config.integer("max_window_layers", 0, kMaxLayers).value_or(kFirstSliding) : layers;
    for (std::int64_t i = first; i < layers; ++i) windows[static_cast<std::size_t>(i)] = window;
    return windows;
  }
  const auto& types = config.at("layer_types");
  if (!types.is_array())
    config.fail("layer_types", "not an array: " + printable(types.dump(), kShownValue),
                "remove the key or list one type per layer");
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] == "full_attention") continue;
    if (!slides || types[i] != "sliding_attention") {
      config.fail("layer_types", "layers of type " + types[i].dump() + " are not supported",
                  "use a model with full attention in every layer");
    }
    if (i < windows.size()) windows[i] = window;
  }
  if (types.size() != windows.size())
    config.fail("layer_types",
                strf("the list has %zu entries, num_hidden_layers is %zu", types.size(), windows.size()),
                "correct one of the two keys");
  return windows;
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
    rope.fail(
        "high_freq_factor",
        strf("%g is not larger than low_freq_factor, %g", scaling.high_freq_factor, scaling.low_freq_factor),
        "see the original config.json");
  }
  return scaling;
}

/// Scalings that are there and change no position that the model has. "dynamic" changes longer texts, which
/// are refused wherever lengths are known (Architecture::max_positions).
bool scales_nothing(const JsonReader& rope, const std::string& type, std::int64_t positions) {
  if (type == "default") return true;
  if (type != "linear" && type != "dynamic" && type != "yarn") return false;
  const auto factor = rope.number("factor", 1, kMaxRopeFactor);
  if (type == "dynamic") return factor.has_value();
  // Releases of transformers before 5 take the quotient of the positions for the factor of yarn.
  const bool stretched =
      type == "yarn" &&
      rope.integer("original_max_position_embeddings", 1, kMaxPositions).value_or(positions) < positions;
  return factor == 1.0 && !stretched && rope.number("attention_factor", 0, kMaxRopeFactor).value_or(1) == 1;
}

[[noreturn]] void refuse_scaling(const JsonReader& rope, const std::string& type) {
  const std::string factor = rope.has("factor") ? " with the factor " + rope.at("factor").dump() : "";
  std::string hint = "known: default, llama3, dynamic, and linear or yarn with the factor 1";
  if (type == "yarn")
    hint += "; if the model was trained without yarn, shorter texts need none: write null for the whole key";
  rope.fail(rope.has("rope_type") ? "rope_type" : "type",
            "the rope scaling \"" + type + "\"" + printable(factor, kShownValue) + " is not supported", hint);
}

/// Old files: rope_theta and rope_scaling {type | rope_type}. New ones: rope_parameters {rope_theta,
/// rope_type}.
Rope read_rope(const JsonReader& config, std::int64_t positions) {
  Rope out;
  out.theta = config.number("rope_theta", 1, kMaxTheta).value_or(out.theta);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto rope = config.object(key);
    if (!rope) continue;
    out.theta = rope->number("rope_theta", 1, kMaxTheta).value_or(out.theta);
    const auto type = rope->string("rope_type").value_or(rope->string("type").value_or("default"));
    if (type == "llama3") {
      out.scaling = read_llama3_scaling(*rope);
    } else if (!scales_nothing(*rope, type, positions)) {
      refuse_scaling(*rope, type);
    }
    for (const char* nested : {"full_attention", "sliding_attention"}) {
      if (rope->has(nested)) {
        rope->fail(nested,
                   "rope parameters per layer type are not supported: " +
                       printable(rope->at(nested).dump(), kShownValue),
                   "use a model with one rope");
      }
    }
  }
  return out;
}

/// What all layers have in common.
LayerSpec read_layer(const JsonReader& config, const Family& family, std::int64_t positions) {
  const auto on = [&](BiasRule rule, const char* key) {
    return uses(family, rule) && config.boolean(key).value_or(false);
  };
  const bool attention_bias = on(BiasRule::attention_key, "attention_bias");
  const bool mlp_bias = on(BiasRule::mlp_key, "mlp_bias");
  LayerSpec layer;
  for (std::size_t i = 0; i < kLayerLinears; ++i) {
    const BiasRule rule = family.biases[i];
    layer.biases[i] = rule == BiasRule::always || (rule == BiasRule::attention_key && attention_bias) ||
                      (rule == BiasRule::mlp_key && mlp_bias);
  }
  layer.qk_norm = family.qk_norm;
  layer.activation = read_activation(config);
  layer.rope = read_rope(config, positions);
  return layer;
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
}

ModelSizes read_sizes(const JsonReader& config, const Family& family) {
  ModelSizes out;
  out.hidden_size = config.required_integer("hidden_size", 1, kMaxWidth);
  out.layers = config.required_integer("num_hidden_layers", 1, kMaxLayers);
  out.heads = config.required_integer("num_attention_heads", 1, kMaxWidth);
  auto head_dim = config.integer("head_dim", 1, kMaxWidth);
  if (!head_dim && family.head_dim != 0) head_dim = family.head_dim;
  if (!head_dim && out.hidden_size % out.heads != 0) {
    config.fail("num_attention_heads",
                "hidden_size " + std::to_string(out.hidden_size) +
                    " is not a multiple of num_attention_heads " + std::to_string(out.heads),
                "correct one of the two, or say head_dim");
  }
  out.head_dim = head_dim.value_or(out.hidden_size / out.heads);
  if (out.heads * out.head_dim > kMaxWidth)
    config.fail("head_dim",
                std::to_string(out.heads) + " heads of " + std::to_string(out.head_dim) +
                    " values are too wide together",
                "head_dim times num_attention_heads may be " + std::to_string(kMaxWidth) + " at most");
  out.positions = config.integer("max_position_embeddings", 1, kMaxPositions).value_or(2048);
  out.activation = config.string("hidden_act").value_or("silu");
  for (const std::string_view key : find_feature("num_experts")->keys) {  // all names of that number
    if (key.empty()) continue;
    out.no_experts = out.no_experts || config.integer(std::string(key), 0, kMaxWidth) == 0;
  }
  return out;
}

Architecture architecture_of(const JsonReader& config, const ModelSizes& sizes, const Family& family) {
  Architecture out;
  out.family = family.name;
  out.vocab_size = config.required_integer("vocab_size", 1, kMaxVocab);
  out.hidden_size = sizes.hidden_size;
  out.intermediate_size = config.required_integer("intermediate_size", 1, kMaxWidth);
  out.heads = sizes.heads;
  out.kv_heads = config.integer("num_key_value_heads", 1, kMaxWidth).value_or(out.heads);
  out.head_dim = sizes.head_dim;
  out.max_positions = sizes.positions;
  out.rms_norm_eps = config.number("rms_norm_eps", 0, 1).value_or(out.rms_norm_eps);
  out.tied_embeddings = config.boolean("tie_word_embeddings").value_or(false);
  out.layers.assign(static_cast<std::size_t>(sizes.layers), read_layer(config, family, sizes.positions));
  const std::vector<std::int64_t> windows = read_windows(config, family, sizes.layers);
  for (std::size_t i = 0; i < windows.size(); ++i) out.layers[i].window = windows[i];
  check_consistency(config, out);
  return out;
}

/// The language model inside of a larger one. Null: there is none, or the configuration is that of a language
/// model itself. What concerns both stands outside in some files.
const char* inner_key(const nlohmann::json& json, std::span<const Family> families) {
  const auto is_known = [&](const nlohmann::json& object) {
    const auto type = object.find("model_type");
    return type != object.end() && type->is_string() &&
           find_family(families, type->get_ref<const std::string&>()) != nullptr;
  };
  if (is_known(json)) return nullptr;
  for (const char* key : {"text_config", "llm_config", "language_config"}) {
    const auto inner = json.find(key);
    if (inner != json.end() && inner->is_object() && is_known(*inner)) return key;
  }
  return nullptr;
}

nlohmann::json inner_config(const nlohmann::json& json, const char* key) {
  nlohmann::json inner = json.at(key);
  for (const char* shared : {"tie_word_embeddings", "quantization_config", "compression_config",
                             "bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype"}) {
    if (json.contains(shared) && (!inner.contains(shared) || inner[shared].is_null()))
      inner[shared] = json[shared];
  }
  return inner;
}

}  // namespace

OpenModel open_model(const std::filesystem::path& model, std::span<const Family> families) {
  OpenModel out;
  out.path = model;
  out.families = families;
  const bool gguf = is_gguf(model);
  const std::filesystem::path file = gguf ? model : model / "config.json";
  if (gguf) out.gguf = std::make_shared<const GgufFile>(read_gguf(file));
  out.config = gguf ? gguf_config_json(*out.gguf, families) : read_input_text(file);
  nlohmann::json json = parse_json_object(out.config, file);
  const char* inner = inner_key(json, families);
  if (inner != nullptr) {
    const auto outer = json.find("model_type");
    out.inventory.add(
        Fate::compared, "config key", inner,
        "only the language model of " + (outer == json.end() ? "the model" : outer->dump()) + " is read");
    json = inner_config(json, inner);
    out.config = json.dump(2);
  }
  const JsonReader config(json, file, inner != nullptr ? std::string(inner) + "." : "");
  const Family& family = family_of(config, families);
  const ModelSizes sizes = read_sizes(config, family);
  check_config_keys(json, config, sizes, family, families, out.inventory);
  if (gguf) check_gguf_keys(*out.gguf, sizes, family, families, out.inventory);
  out.architecture = architecture_of(config, sizes, family);
  return out;
}

Architecture read_architecture(const std::filesystem::path& model, std::span<const Family> families) {
  return open_model(model, families).architecture;
}

}  // namespace anemll
