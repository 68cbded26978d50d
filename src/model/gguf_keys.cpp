// The table of metadata keys of a GGUF file, but for the tokenizer's, which the room text reads.
#include "anemll/core/error.hpp"
#include "src/core/one_of.hpp"
#include "src/formats/shown.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/gguf_config.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <variant>

namespace anemll {
namespace {

constexpr const char* kKind = "key";

/// After the family's prefix ("llama."): read by gguf_config_json, which refuses what the decoder lacks.
constexpr std::array<std::string_view, 24> kUsed{
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.layer_norm_rms_epsilon", "attention.scale", "attention.sliding_window",
    "attention.value_length", "block_count", "context_length", "embedding_length", "embedding_scale",
    "expert_count", "feed_forward_length", "logit_scale", "residual_scale", "rope.dimension_count",
    "rope.freq_base", "rope.scale_linear", "rope.scaling.factor", "rope.scaling.type",
    "vocab_size",  // the embedding has the number of rows
    // Of a scaling, which would have been refused:
    "rope.scaling.original_context_length", "rope.scaling.finetuned", "rope.scaling.attn_factor"};

/// Not of a family, or without its prefix: what the file is, where it came from, how it was quantised.
constexpr std::array<std::string_view, 4> kHarmless{"general.", "quantize.", "split.", "imatrix."};

/// Features that must be off (false, 0, or an empty text) because the decoder lacks them.
constexpr std::array<std::string_view, 18> kFeatures{"attn_logit_softcapping",
                                                     "final_logit_softcapping",
                                                     "router_logit_softcapping",
                                                     "attention.clamp_kqv",
                                                     "attention.max_alibi_bias",
                                                     "attention.q_lora_rank",
                                                     "attention.kv_lora_rank",
                                                     "attention.shared_kv_layers",
                                                     "attention.sliding_window_pattern",
                                                     "attention.layer_norm_epsilon",
                                                     "attention.temperature_scale",
                                                     "expert_feed_forward_length",
                                                     "expert_used_count",
                                                     "expert_shared_count",
                                                     "leading_dense_block_count",
                                                     "pooling_type",
                                                     "rope.dimension_sections",
                                                     "use_parallel_residual"};

bool is_off(const GgufValue& value) {
  return std::visit(
      [](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_arithmetic_v<Content>) {
          return content == Content{};
        } else {
          return content.empty();
        }
      },
      value);
}

}  // namespace

void check_gguf_keys(const GgufFile& file, const Family& family, std::span<const Family> families,
                     Inventory& inventory) {
  const std::string prefix = std::string(family.name) + ".";
  const auto refuse = [&](const std::string& key, const GgufValue& value) {
    throw_data("the feature is not supported: " + shown(value), file.path.string() + ", key \"" + key + "\"",
               "use a dense model with full causal attention (--model-id), of the families " +
                   family_names(families));
  };
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with("tokenizer.")) continue;
    const std::string_view name =
        std::string_view(key).substr(key.starts_with(prefix) ? prefix.size() : key.size());
    const auto starts = [&key = key](std::string_view stem) { return key.starts_with(stem); };
    if (is_one_of(name, kUsed)) {
      inventory.add(Fate::used, kKind, key);
    } else if (is_one_of(name, kFeatures) || name == "attention.causal") {
      const bool* flag = std::get_if<bool>(&value);
      if (name == "attention.causal" ? flag == nullptr || !*flag : !is_off(value)) refuse(key, value);
      inventory.add(Fate::compared, kKind, key);
    } else if (std::any_of(kHarmless.begin(), kHarmless.end(), starts) || name == "tensor_data_layout") {
      inventory.add(Fate::compared, kKind, key);
    } else {
      inventory.add(Fate::left_out, kKind, key, "no rule for it is known");
    }
  }
}

}  // namespace anemll
