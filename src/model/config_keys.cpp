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

constexpr std::array<std::string_view, 3> kWindowKeys{"use_sliding_window", "sliding_window",
                                                      "max_window_layers"};

/// Whether architecture_of reads it for this family.
bool is_used(std::string_view key, const Family& family) {
  return is_one_of(key, kUsed) || (family.windows && is_one_of(key, kWindowKeys)) ||
         (key == "attention_bias" && uses(family, BiasRule::attention_key)) ||
         (key == "mlp_bias" && uses(family, BiasRule::mlp_key));
}

/// Without effect on the logits of one forward pass: dropout of training, ids of single tokens, types of
/// files, what generation does, how the file was made.
constexpr std::array<std::string_view, 102> kHarmless{
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
    "attention_dropout", "attention_probs_dropout_prob", "attn_dropout", "attn_implementation", "attn_pdrop",
    "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "cache_implementation",
    "chunk_size_feed_forward", "decoder_start_token_id", "diversity_penalty", "do_sample", "dtype",
    "early_stopping", "embd_pdrop", "encoder_no_repeat_ngram_size", "eos_token_id",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
    "gradient_checkpointing", "hidden_dropout", "hidden_dropout_prob", "id2label", "initializer_range",
    "is_decoder", "is_llama_config", "keys_to_ignore_at_inference", "label2id", "length_penalty",
    "max_length", "max_window_layers", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_labels", "num_return_sequences", "output_attentions", "output_hidden_states", "output_scores",
    "pad_token_id", "prefix", "pretraining_tp", "problem_type", "remove_invalid_values", "repetition_penalty",
    "resid_pdrop", "return_dict", "return_dict_in_generate", "router_aux_loss_coef", "sep_token_id",
    "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
    "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers.js_config",
    "transformers_version", "typical_p", "unk_token_id", "unsloth_fixed", "unsloth_version", "use_bfloat16",
    "use_cache", "use_flash_attention", "use_flash_attention_2", "use_flash_attn", "use_return_dict",
    "z_loss", "hub_mixin_config", "model_name", "license",
    // Of mixtures of experts; one that is there is refused.
    "aux_loss_alpha", "decoder_sparse_step", "ep_size", "first_k_dense_replace", "interleave_moe_layer_step",
    "mlp_only_layers", "moe_layer_freq", "n_group", "norm_topk_prob", "output_router_logits",
    "routed_scaling_factor", "router_jitter_noise", "router_z_loss_coef", "scoring_func", "seq_aux",
    "topk_group", "topk_method", "use_grouped_topk"};

std::string other_family(std::span<const Family> families) {
  return "the key belongs to another family: use a model of the families " + family_names(families);
}

[[noreturn]] void refuse(const JsonReader& config, const std::string& key, const Feature& feature,
                         const json& value, std::span<const Family> families) {
  config.fail(key, feature.problem + (": " + printable(value.dump(), kShownValue)),
              feature.hint != nullptr ? std::string(feature.hint) : other_family(families));
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
                     const ModelSizes& sizes, std::span<const Family> families, Inventory& inventory) {
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
  // Of types that are read only where they change nothing (read_rope).
  constexpr std::array<std::string_view, 3> kIdle{"linear", "dynamic", "yarn"};
  constexpr std::array<std::string_view, 9> kOfIdle{
      "factor",         "attention_factor", "beta_fast",
      "beta_slow",      "finetuned",        "mscale",
      "mscale_all_dim", "truncate",         "original_max_position_embeddings"};
  for (const auto& [key, entry] : value.items()) {
    const std::string full = name + "." + key;
    const Feature* feature = find_feature(key);
    if (feature != nullptr && feature->problem != nullptr && !changes_nothing(*feature, entry, sizes)) {
      refuse(*rope, key, *feature, entry, families);
    }
    const bool idle = (is_one_of(type, kIdle) && is_one_of(key, kOfIdle)) || (key == "factor" && entry == 1);
    if (is_one_of(key, kAlways) || (type == "llama3" && is_one_of(key, kLlama3))) {
      inventory.add(Fate::used, kKind, full);
    } else if (entry.is_null() || feature != nullptr || idle) {
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

void check_config_keys(const json& object, const JsonReader& config, const ModelSizes& sizes,
                       const Family& family, std::span<const Family> families, Inventory& inventory) {
  const std::string name(family.name);
  for (const auto& [key, value] : object.items()) {
    const bool used = is_used(key, family);
    const Feature* feature = used ? nullptr : find_feature(key);
    const bool neutral = feature != nullptr && changes_nothing(*feature, value, sizes);
    if (feature != nullptr && !neutral && feature->problem != nullptr) {
      refuse(config, key, *feature, value, families);
    }
    constexpr std::array<std::string_view, 3> kNorms{"qk_norm", "use_qk_norm", "qk_layernorm"};
    if (is_one_of(key, kNorms) && !value.is_null() && value != family.qk_norm) {
      config.fail(key,
                  "the family " + name + (family.qk_norm ? " has" : " has no") +
                      " norms on q and k, the key says " + printable(value.dump(), kShownValue),
                  other_family(families));
    }
    const bool fine = value.is_null() || neutral || is_one_of(key, kHarmless) || is_one_of(key, kNorms) ||
                      (key == "mlp_bias" && value == false);
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
    if (config.has(rope)) check_rope_keys(config, rope, config.at(rope), sizes, families, inventory);
  }
  compare_ropes(config, inventory);
}

}  // namespace anemll
