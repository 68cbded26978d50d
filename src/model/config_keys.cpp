#include "src/model/internal/config_keys.hpp"

#include "src/core/one_of.hpp"
#include "src/core/printable.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/limits.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace anemll {
namespace {

using nlohmann::json;

constexpr const char* kKind = "config key";

/// Read by architecture_of for every family.
constexpr std::array<std::string_view, 16> kUsed{"model_type",
                                                 "vocab_size",
                                                 "hidden_size",
                                                 "intermediate_size",
                                                 "num_hidden_layers",
                                                 "head_dim",
                                                 "num_attention_heads",
                                                 "num_key_value_heads",
                                                 "rms_norm_eps",
                                                 "rope_theta",
                                                 "max_position_embeddings",
                                                 "tie_word_embeddings",
                                                 "rope_scaling",
                                                 "rope_parameters",
                                                 "layer_types",
                                                 "hidden_act"};

constexpr std::string_view kSlides = "use_sliding_window";
constexpr std::array<std::string_view, 3> kWindowKeys{kSlides, "sliding_window", "max_window_layers"};

/// Whether architecture_of reads it for this family.
bool is_used(std::string_view key, const Family& family) {
  return is_one_of(key, kUsed) || (family.windows && is_one_of(key, kWindowKeys)) ||
         (key == "attention_bias" && uses(family, BiasRule::attention_key)) ||
         (key == "mlp_bias" && uses(family, BiasRule::mlp_key));
}

/// Without effect on the logits of one forward pass: dropout of training, ids of single tokens, types of
/// files, what generation does, how the file was made.
constexpr std::array<std::string_view, 84> kHarmless{"_attn_implementation",
                                                     "_attn_implementation_autoset",
                                                     "_commit_hash",
                                                     "_name_or_path",
                                                     "attention_dropout",
                                                     "attention_probs_dropout_prob",
                                                     "attn_dropout",
                                                     "attn_implementation",
                                                     "attn_pdrop",
                                                     "bad_words_ids",
                                                     "begin_suppress_tokens",
                                                     "bos_token_id",
                                                     "cache_implementation",
                                                     "chunk_size_feed_forward",
                                                     "decoder_start_token_id",
                                                     "diversity_penalty",
                                                     "do_sample",
                                                     "dtype",
                                                     "early_stopping",
                                                     "embd_pdrop",
                                                     "encoder_no_repeat_ngram_size",
                                                     "eos_token_id",
                                                     "exponential_decay_length_penalty",
                                                     "finetuning_task",
                                                     "forced_bos_token_id",
                                                     "forced_eos_token_id",
                                                     "gradient_checkpointing",
                                                     "hidden_dropout",
                                                     "hidden_dropout_prob",
                                                     "id2label",
                                                     "initializer_range",
                                                     "is_decoder",
                                                     "is_llama_config",
                                                     "keys_to_ignore_at_inference",
                                                     "label2id",
                                                     "length_penalty",
                                                     "max_length",
                                                     "max_window_layers",
                                                     "min_length",
                                                     "no_repeat_ngram_size",
                                                     "num_beam_groups",
                                                     "num_beams",
                                                     "num_labels",
                                                     "num_return_sequences",
                                                     "output_attentions",
                                                     "output_hidden_states",
                                                     "output_scores",
                                                     "pad_token_id",
                                                     "prefix",
                                                     "pretraining_tp",
                                                     "problem_type",
                                                     "remove_invalid_values",
                                                     "repetition_penalty",
                                                     "resid_pdrop",
                                                     "return_dict",
                                                     "return_dict_in_generate",
                                                     "router_aux_loss_coef",
                                                     "sep_token_id",
                                                     "suppress_tokens",
                                                     "task_specific_params",
                                                     "temperature",
                                                     "tf_legacy_loss",
                                                     "tie_encoder_decoder",
                                                     "tokenizer_class",
                                                     "top_k",
                                                     "top_p",
                                                     "torch_dtype",
                                                     "torchscript",
                                                     "transformers.js_config",
                                                     "transformers_version",
                                                     "typical_p",
                                                     "unk_token_id",
                                                     "unsloth_fixed",
                                                     "unsloth_version",
                                                     "use_bfloat16",
                                                     "use_cache",
                                                     "use_flash_attention",
                                                     "use_flash_attention_2",
                                                     "use_flash_attn",
                                                     "use_return_dict",
                                                     "z_loss",
                                                     "hub_mixin_config",
                                                     "model_name",
                                                     "license"};

/// What a key must say so that the decoder computes what it means. Null is always that.
enum class Means {
  off,       ///< false, 0, empty
  none,      ///< off, or one
  one,       ///< 1
  yes,       ///< true
  all_ones,  ///< a list of ones
  silu,      ///< silu, or swish
};

bool holds(Means means, const json& value) {
  const auto is = [&](double number) { return value.is_number() && value.get<double>() == number; };
  const bool off = value == false || is(0) || (value.is_structured() && value.empty()) || value == "";
  switch (means) {
    case Means::off:
      return off;
    case Means::none:
      return off || is(1);
    case Means::one:
      return is(1);
    case Means::yes:
      return value == true;
    case Means::all_ones:
      return value.is_array() &&
             std::all_of(value.begin(), value.end(), [](const json& v) { return v == 1; });
    case Means::silu:
      return value == "silu" || value == "swish";
  }
  return false;
}

/// Keys that change the computation, of these families and of relatives whose files are renamed to them. Rows
/// of one feature share its sentence and its remedy.
struct Feature {
  Means means;
  const char* problem;
  const char* hint;
  std::array<std::string_view, 12> keys;
};
constexpr const char* kOtherFamily = nullptr;  // the remedy names the families that are known
constexpr std::array kFeatures{
    Feature{Means::off,
            "sliding-window attention is not supported",
            "use a model with full attention in every layer",
            {kSlides, "attention_chunk_size", "sliding_window_pattern", "_sliding_window_pattern"}},
    Feature{Means::off,
            "the weights are already quantised",
            "start from the original F32, F16 or BF16 model",
            {"quantization_config", "quantization", "compression_config"}},
    Feature{Means::one,
            "partial rotary embeddings are not supported",
            "use a model that rotates whole heads",
            {"partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction", "rope_percentage"}},
    Feature{Means::off,
            "soft caps of logits are not supported",
            kOtherFamily,
            {"attn_logit_softcapping", "final_logit_softcapping", "attn_logit_softcap", "final_logit_softcap",
             "attention_logit_softcapping", "logit_softcapping", "logits_soft_cap", "logit_soft_cap"}},
    Feature{Means::one,
            "multipliers of embeddings, residuals or logits are not supported",
            kOtherFamily,
            {"embedding_multiplier", "residual_multiplier", "logits_scaling", "logits_multiplier",
             "logit_scale", "lm_head_multiplier", "scale_emb", "scale_depth", "embedding_scale",
             "residual_scale", "output_multiplier", "key_multiplier"}},
    Feature{Means::off,
            "another scale of the attention than 1 / sqrt(head_dim) is not supported",
            kOtherFamily,
            {"attention_multiplier", "query_pre_attn_scalar", "attention_scale", "attn_temperature_tuning",
             "scale_attn_by_inverse_layer_idx", "scale_embedding", "scale_embeddings", "dim_model_base"}},
    Feature{Means::none,
            "mixtures of experts are not supported",
            "use a dense model",
            {"num_experts", "num_local_experts", "num_experts_per_tok", "n_routed_experts", "moe_num_experts",
             "moe_topk"}},
    Feature{Means::off,
            "mixtures of experts are not supported",
            "use a dense model",
            {"n_shared_experts", "moe_intermediate_size", "shared_expert_intermediate_size", "moe_layers",
             "mlp_layer_types"}},
    Feature{Means::off,
            "this kind of attention is not supported",
            kOtherFamily,
            {"kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "num_kv_shared_layers", "clip_qkv",
             "qkv_clip", "attn_output_gate", "alibi", "use_alibi", "attention_sinks", "add_cross_attention",
             "is_encoder_decoder"}},
    Feature{Means::off,
            "these rotary embeddings are not supported",
            kOtherFamily,
            {"rope_interleaved", "rope_interleave", "use_mrope", "mrope_section", "rope_local_base_freq",
             "local_rope_theta", "no_rope_layer_interval", "nope_layer_interval"}},
    Feature{Means::all_ones,
            "layers without rotary embeddings are not supported",
            kOtherFamily,
            {"no_rope_layers"}},
    Feature{Means::one, "these rotary embeddings are not supported", kOtherFamily, {"rope_ratio"}},
    Feature{Means::off,
            "this kind of block is not supported",
            kOtherFamily,
            {"parallel_attn", "use_parallel_residual", "parallel_residual", "pruned_heads",
             "norm_add_unit_offset", "zero_centered_gamma", "apply_layernorm_1p", "swiglu_limit",
             "normalize_embedding"}},
    Feature{Means::yes,
            "attention that is not causal and scaled is not supported",
            kOtherFamily,
            {"is_causal", "scale_attn_weights", "use_rope"}},
    Feature{Means::silu,
            "this activation is not supported",
            "use a model with silu",
            {"hidden_activation", "activation_function", "mlp_hidden_act"}},
};

const Feature* find_feature(std::string_view key) {
  if (key.empty()) return nullptr;  // rows have empty places
  const auto found = std::find_if(kFeatures.begin(), kFeatures.end(),
                                  [&](const Feature& feature) { return is_one_of(key, feature.keys); });
  return found == kFeatures.end() ? nullptr : &*found;
}

std::string other_family(std::span<const Family> families) {
  return "the key belongs to another family: use a model of the families " + family_names(families);
}

[[noreturn]] void refuse(const JsonReader& config, const std::string& key, const Feature& feature,
                         const json& value, std::span<const Family> families) {
  config.fail(key, feature.problem + (": " + printable(value.dump(), kShownValue)),
              feature.hint != kOtherFamily ? std::string(feature.hint) : other_family(families));
}

/// Another head than the language model's is not read, and the family may be a renamed one.
std::string odd_class(const json& names, std::string_view family) {
  if (!names.is_array()) return "it is no list of classes";
  for (const json& entry : names) {
    std::string name = entry.is_string() ? entry.get<std::string>() : entry.dump();
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
    if (!name.ends_with("ForCausalLM") || lower.find(family) == std::string::npos) {
      return name + " is read as the language model of the family " + std::string(family);
    }
  }
  return {};
}

/// The keys of rope_scaling or rope_parameters.
void check_rope_keys(const JsonReader& config, const std::string& name, const json& value,
                     std::span<const Family> families, Inventory& inventory) {
  const auto rope = config.object(name);
  if (!rope) return;
  const auto type = rope->string("rope_type").value_or(rope->string("type").value_or("default"));
  if (rope->has("type") && rope->string("type") != type) {
    rope->fail("type", "it is " + rope->at("type").dump() + ", but rope_type is \"" + type + "\"",
               "correct one of the two keys; see the original config.json");
  }
  constexpr std::array<std::string_view, 3> kAlways{"rope_type", "type", "rope_theta"};
  constexpr std::array<std::string_view, 4> kLlama3{"factor", "low_freq_factor", "high_freq_factor",
                                                    "original_max_position_embeddings"};
  for (const auto& [key, entry] : value.items()) {
    const std::string full = name + "." + key;
    const Feature* feature = find_feature(key);
    if (feature != nullptr && !entry.is_null() && !holds(feature->means, entry)) {
      refuse(*rope, key, *feature, entry, families);
    }
    if (is_one_of(key, kAlways) || (type == "llama3" && is_one_of(key, kLlama3))) {
      inventory.add(Fate::used, kKind, full);
    } else if (entry.is_null() || feature != nullptr) {
      inventory.add(Fate::compared, kKind, full);
    } else {
      inventory.add(Fate::left_out, kKind, full, "the rope type \"" + type + "\" does not read it");
    }
  }
}

/// Both spellings of the rotary embedding at once, and the base in two places.
void compare_ropes(const JsonReader& config, Inventory& inventory) {
  const auto old = config.object("rope_scaling");
  const auto now = config.object("rope_parameters");
  const auto type_of = [](const JsonReader& rope) {
    return rope.string("rope_type").value_or(rope.string("type").value_or("default"));
  };
  if (old && now && type_of(*old) != type_of(*now)) {
    config.fail("rope_scaling",
                "it says \"" + type_of(*old) + "\", but rope_parameters says \"" + type_of(*now) + "\"",
                "remove the one that is wrong; see the original config.json");
  }
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const auto rope = config.object(name);
    if (!rope || !rope->has("rope_theta") || !config.has("rope_theta")) continue;
    if (rope->at("rope_theta") == config.at("rope_theta")) continue;
    inventory.add(Fate::left_out, kKind, "rope_theta",
                  std::string(name) + " has another one, which goes before as in transformers");
  }
}

}  // namespace

void check_config_keys(const json& object, const JsonReader& config, const Family& family,
                       std::span<const Family> families, Inventory& inventory) {
  const std::string name(family.name);
  for (const auto& [key, value] : object.items()) {
    const bool used = is_used(key, family);
    const Feature* feature = used ? nullptr : find_feature(key);
    if (feature != nullptr && !value.is_null() && !holds(feature->means, value)) {
      refuse(config, key, *feature, value, families);
    }
    constexpr std::array<std::string_view, 3> kNorms{"qk_norm", "use_qk_norm", "qk_layernorm"};
    if (is_one_of(key, kNorms) && !value.is_null() && value != family.qk_norm) {
      config.fail(key,
                  "the family " + name + (family.qk_norm ? " has" : " has no") +
                      " norms on q and k, the key says " + printable(value.dump(), kShownValue),
                  other_family(families));
    }
    const bool fine = value.is_null() || feature != nullptr || is_one_of(key, kHarmless) ||
                      is_one_of(key, kNorms) || (key == "mlp_bias" && value == false);
    if (key == "architectures" && !value.is_null()) {
      const std::string odd = odd_class(value, family.name);
      inventory.add(odd.empty() ? Fate::compared : Fate::left_out, kKind, key, odd);
    } else if (used || fine) {
      inventory.add(used ? Fate::used : Fate::compared, kKind, key);
    } else {
      inventory.add(Fate::left_out, kKind, key,
                    "the family " + name + " does not read it, as far as is known");
    }
  }
  for (const char* rope : {"rope_scaling", "rope_parameters"}) {
    if (config.has(rope)) check_rope_keys(config, rope, config.at(rope), families, inventory);
  }
  compare_ropes(config, inventory);
}

}  // namespace anemll
