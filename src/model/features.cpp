#include "src/model/internal/features.hpp"

#include "src/core/one_of.hpp"

#include <algorithm>
#include <cmath>

namespace anemll {
namespace {

using nlohmann::json;
using enum Neutral;

constexpr const char* kOtherFamily = nullptr;
constexpr const char* kNoExperts = "mixtures of experts are not supported";
constexpr const char* kDense = "use a dense model";
constexpr const char* kNoWindows = "sliding-window attention is not supported";
constexpr const char* kFull = "use a model with full attention in every layer";
constexpr const char* kNoMultipliers = "multipliers of embeddings, residuals or logits are not supported";
constexpr const char* kNoScales = "another scale of the attention than 1 / sqrt(head_dim) is not supported";
constexpr const char* kNoRotation = "these rotary embeddings are not supported";
constexpr const char* kNoPartial = "partial rotary embeddings are not supported";
constexpr const char* kWholeHeads = "use a model that rotates whole heads";
constexpr const char* kNoAttention = "this kind of attention is not supported";

/// Keys of these families, and of relatives whose files are renamed to them.
constexpr std::array kFeatures{
    Feature{off,
            kNoWindows,
            kFull,
            {"use_sliding_window", "sliding_window_pattern", "_sliding_window_pattern"},
            {"attention.sliding_window_pattern"}},
    Feature{past_the_end, kNoWindows, kFull, {"attention_chunk_size"}, {"attention.sliding_window"}},
    Feature{off,
            "the weights are already quantised",
            "start from the original F32, F16 or BF16 model",
            {"quantization_config", "quantization", "compression_config"},
            {}},
    Feature{one,
            kNoPartial,
            kWholeHeads,
            {"partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction", "rope_percentage"},
            {}},
    Feature{head_size, kNoPartial, kWholeHeads, {"rotary_dim"}, {}},
    Feature{off,
            "soft caps of logits are not supported",
            kOtherFamily,
            {"attn_logit_softcapping", "final_logit_softcapping", "attn_logit_softcap", "final_logit_softcap",
             "attention_logit_softcapping", "logit_softcapping", "logits_soft_cap", "logit_soft_cap"},
            {"attn_logit_softcapping", "final_logit_softcapping", "router_logit_softcapping"}},
    Feature{one,
            kNoMultipliers,
            kOtherFamily,
            {"embedding_multiplier", "residual_multiplier", "logits_scaling", "logits_multiplier",
             "logit_scale", "lm_head_multiplier", "scale_emb", "embedding_scale", "residual_scale",
             "output_multiplier", "key_multiplier"},
            {"logit_scale", "embedding_scale", "residual_scale"}},
    Feature{one, kNoMultipliers, kOtherFamily, {"attention_in_multiplier", "attention_out_multiplier"}, {}},
    Feature{all_ones, kNoMultipliers, kOtherFamily, {"mlp_multipliers"}, {}},
    // MiniCPM divides by sqrt(layers), and by hidden_size / dim_model_base.
    Feature{root_of_layers, kNoMultipliers, kOtherFamily, {"scale_depth"}, {}},
    Feature{width, kNoMultipliers, kOtherFamily, {"dim_model_base"}, {}},
    Feature{attention_scale,
            kNoScales,
            kOtherFamily,
            {"attention_multiplier", "attention_scale", "softmax_scale"},
            {"attention.scale"}},
    Feature{head_size, kNoScales, kOtherFamily, {"query_pre_attn_scalar"}, {}},
    Feature{
        off,
        kNoScales,
        kOtherFamily,
        {"attn_temperature_tuning", "scale_attn_by_inverse_layer_idx", "scale_embedding", "scale_embeddings"},
        {"attention.temperature_scale"}},
    Feature{none,
            kNoExperts,
            kDense,
            {"num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"},
            {"expert_count"}},
    Feature{without_experts,
            kNoExperts,
            kDense,
            {"num_experts_per_tok", "moe_topk", "n_shared_experts", "moe_intermediate_size",
             "shared_expert_intermediate_size", "moe_layers"},
            {"expert_used_count", "expert_feed_forward_length", "expert_shared_count",
             "expert_shared_feed_forward_length"}},
    Feature{all_dense, kNoExperts, kDense, {"mlp_layer_types"}, {}},
    Feature{off,
            kNoAttention,
            kOtherFamily,
            {"kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "num_kv_shared_layers", "clip_qkv",
             "qkv_clip", "attn_output_gate", "alibi", "use_alibi", "attention_sinks", "add_cross_attention",
             "is_encoder_decoder"},
            {"attention.clamp_kqv", "attention.max_alibi_bias", "attention.q_lora_rank",
             "attention.kv_lora_rank", "attention.shared_kv_layers", "attention.layer_norm_epsilon"}},
    Feature{off,
            kNoRotation,
            kOtherFamily,
            {"rope_interleaved", "rope_interleave", "use_mrope", "mrope_section", "rope_local_base_freq",
             "local_rope_theta"},
            {"rope.dimension_sections"}},
    Feature{
        all_ones, "layers without rotary embeddings are not supported", kOtherFamily, {"no_rope_layers"}, {}},
    Feature{past_the_layers,
            "layers without rotary embeddings are not supported",
            kOtherFamily,
            {"no_rope_layer_interval", "nope_layer_interval"},
            {}},
    Feature{one,
            kNoRotation,
            kOtherFamily,
            {"rope_ratio"},
            {"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"}},
    Feature{off,
            "this kind of block is not supported",
            kOtherFamily,
            {"parallel_attn", "use_parallel_residual", "parallel_residual", "pruned_heads",
             "norm_add_unit_offset", "zero_centered_gamma", "apply_layernorm_1p", "swiglu_limit",
             "normalize_embedding"},
            {"use_parallel_residual", "pooling_type"}},
    Feature{yes,
            "attention that is not causal and scaled is not supported",
            kOtherFamily,
            {"is_causal", "scale_attn_weights", "use_rope"},
            {"attention.causal"}},
    Feature{same_activation,
            "this activation is not supported",
            "use a model with silu",
            {"hidden_activation", "activation_function", "mlp_hidden_act"},
            {}},
    // Layers and biases whose tensors are told where a file has them.
    Feature{off,
            nullptr,
            nullptr,
            {"num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers", "qkv_bias",
             "attention_out_bias", "use_bias", "use_qkv_bias", "add_bias_linear", "add_qkv_bias",
             "lm_head_bias", "bias", "attn_bias"},
            {"nextn_predict_layers"}},
    Feature{yes, nullptr, nullptr, {"no_bias"}, {}},
};

bool close(double a, double b) {
  constexpr double kTolerance = 1e-5;  // files write six digits, or a float32
  return std::abs(a - b) <= kTolerance * std::abs(b);
}

bool is_silu(std::string_view name) {
  return name == "silu" || name == "swish";
}

bool holds(Neutral neutral, const json& value, const ModelSizes& sizes) {
  const auto is = [&](double number) { return value.is_number() && close(value.get<double>(), number); };
  const auto beyond = [&](std::int64_t least) {
    return value.is_number() && value.get<double>() >= static_cast<double>(least);
  };
  const auto all = [&](const json& what) {
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [&](const json& v) { return v == what; });
  };
  const bool is_off =
      value == false || is(0) || (value.is_structured() && value.empty()) || value == "" || all(false);
  switch (neutral) {
    case off:
      return is_off;
    case none:
      return is_off || is(1);
    case one:
      return is(1);
    case yes:
      return value == true;
    case all_ones:
      return all(1);
    case all_dense:
      return is_off || all("dense");
    case without_experts:
      return is_off || is(1) || sizes.no_experts;
    case attention_scale:
      return value == false || is(1 / std::sqrt(static_cast<double>(sizes.head_dim)));
    case head_size:
      return is_off || is(static_cast<double>(sizes.head_dim));
    case width:
      return is_off || is(static_cast<double>(sizes.hidden_size));
    case root_of_layers:
      return is(std::sqrt(static_cast<double>(sizes.layers)));
    case past_the_layers:
      return is_off || beyond(sizes.layers + 1);
    case past_the_end:
      return is_off || beyond(sizes.positions);
    case same_activation:
      return value.is_string() &&
             (value == sizes.activation ||
              (is_silu(value.get_ref<const std::string&>()) && is_silu(sizes.activation)));
  }
  return false;
}

template <auto Keys>
const Feature* find(std::string_view key) {
  if (key.empty()) return nullptr;  // rows have empty places
  const auto found = std::find_if(kFeatures.begin(), kFeatures.end(),
                                  [&](const Feature& feature) { return is_one_of(key, feature.*Keys); });
  return found == kFeatures.end() ? nullptr : &*found;
}

}  // namespace

const Feature* find_feature(std::string_view key) {
  return find<&Feature::keys>(key);
}

const Feature* find_gguf_feature(std::string_view name) {
  return find<&Feature::gguf>(name);
}

bool changes_nothing(const Feature& feature, const json& value, const ModelSizes& sizes) {
  return value.is_null() || holds(feature.neutral, value, sizes);
}

bool gguf_changes_nothing(const Feature& feature, const json& value, const ModelSizes& sizes) {
  return holds(feature.neutral, value, sizes) || (feature.neutral != yes && holds(off, value, sizes));
}

}  // namespace anemll
