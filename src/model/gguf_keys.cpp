// The table of metadata keys of a GGUF file, but for the tokenizer's, which the room text reads.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/one_of.hpp"
#include "src/formats/shown.hpp"
#include "src/model/internal/families.hpp"
#include "src/model/internal/features.hpp"
#include "src/model/internal/gguf_config.hpp"
#include "src/model/internal/json_reader.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <variant>

namespace anemll {
namespace {

constexpr const char* kKind = "key";

/// After the family's prefix ("llama."): read by gguf_config_json, which refuses what the decoder lacks.
constexpr std::array<std::string_view, 17> kUsed{
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.layer_norm_rms_epsilon", "attention.value_length", "block_count", "context_length",
    "embedding_length", "feed_forward_length", "rope.dimension_count", "rope.freq_base", "rope.scale_linear",
    "rope.scaling.factor", "rope.scaling.type",
    "vocab_size",  // the embedding has the number of rows
    // Of a scaling, which changes nothing or is refused:
    "rope.scaling.original_context_length", "rope.scaling.finetuned"};

/// The same: without effect on the numbers where there are no experts, and with them the file is refused; or
/// of a scaling that changes nothing.
constexpr std::array<std::string_view, 14> kIdle{"expert_gating_func",
                                                 "expert_group_count",
                                                 "expert_group_scale",
                                                 "expert_group_used_count",
                                                 "expert_weights_norm",
                                                 "expert_weights_scale",
                                                 "experts_per_group",
                                                 "interleave_moe_layer_step",
                                                 "leading_dense_block_count",
                                                 "moe_every_n_layers",
                                                 "rope.scaling.yarn_beta_fast",
                                                 "rope.scaling.yarn_beta_slow",
                                                 "rope.scaling.yarn_ext_factor",
                                                 "rope.scaling.yarn_log_multiplier"};

/// Not of a family, or without its prefix: what the file is, where it came from, how it was quantised.
constexpr std::array<std::string_view, 4> kHarmless{"general.", "quantize.", "split.", "imatrix."};

nlohmann::json as_json(const GgufValue& value) {
  return std::visit([](const auto& content) { return nlohmann::json(content); }, value);
}

}  // namespace

void check_gguf_keys(const GgufFile& file, ModelSizes sizes, const Family& family,
                     std::span<const Family> families, Inventory& inventory) {
  const std::string prefix = std::string(family.name) + ".";
  const GgufValue* experts = file.find(prefix + "expert_count");
  sizes.no_experts = experts != nullptr && as_json(*experts) == 0;
  const auto refuse = [&](const std::string& key, const std::string& problem, const char* remedy) {
    const std::string other = "use a model of the families " + family_names(families);
    throw_data(problem, file.path.string() + ", key \"" + key + "\"",
               (remedy != nullptr ? std::string(remedy) : other) + "; " + kAnotherModel);
  };
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with("tokenizer.")) continue;
    const std::string_view name =
        std::string_view(key).substr(key.starts_with(prefix) ? prefix.size() : key.size());
    const auto starts = [&key = key](std::string_view stem) { return key.starts_with(stem); };
    if (is_one_of(name, kUsed)) {
      inventory.add(Fate::used, kKind, key);
    } else if (const Feature* feature = find_gguf_feature(name)) {
      const auto* number = std::get_if<double>(&value);
      if (number != nullptr && !std::isfinite(*number))
        refuse(key, strf("%g: not a finite number", *number), "the file is damaged");
      const bool neutral = gguf_changes_nothing(*feature, as_json(value), sizes);
      if (!neutral && feature->problem != nullptr)
        refuse(key, std::string(feature->problem) + ": " + shown(value), feature->hint);
      inventory.add(neutral ? Fate::compared : Fate::left_out, kKind, key,
                    neutral ? "" : "no rule for it is known");
    } else if (std::any_of(kHarmless.begin(), kHarmless.end(), starts) || name == "tensor_data_layout" ||
               is_one_of(name, kIdle)) {
      inventory.add(Fate::compared, kKind, key);
    } else {
      inventory.add(Fate::left_out, kKind, key, "no rule for it is known");
    }
  }
}

}  // namespace anemll
