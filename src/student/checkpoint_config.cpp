#include "src/student/checkpoint_config.hpp"

#include "anemll/quant/presets.hpp"
#include "src/quant/layer_overrides.hpp"

#include <algorithm>
#include <utility>

namespace anemll {

nlohmann::ordered_json checkpoint_config(const QuantSpec& spec, const ModelToRecord& model) {
  const std::string preset = preset_name(spec);
  const QuantScheme scheme = spec.usual();
  nlohmann::ordered_json config;
  config["version"] = "v2";
  config["model_id"] = model.id;
  if (model.revision) config["model_revision"] = *model.revision;
  config["config_preset"] = preset.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(preset);
  config["lut_bits"] = bits_of(scheme.mlp_lut);
  config["mlp_lut_bits"] = bits_of(scheme.mlp_lut);
  config["attn_lut_bits"] = bits_of(scheme.attn_lut);
  config["scale_rank"] = scheme.mlp_rank;
  config["mlp_scale_rank"] = scheme.mlp_rank;
  config["attn_scale_rank"] = scheme.attn_rank;
  config["group_size"] = spec.group_size();
  return config;
}

nlohmann::ordered_json v1_checkpoint_config(const QuantSpec& spec, const ModelToRecord& model) {
  const QuantScheme scheme = spec.usual();
  const bool quantised = std::any_of(spec.entries().begin(), spec.entries().end(), [](const auto& entry) {
    return !entry.mlp && entry.quant.type == "v1";
  });
  nlohmann::ordered_json config;
  config["model_id"] = model.id;
  if (model.revision) config["model_revision"] = *model.revision;
  config["lut_size"] = scheme.mlp_lut;
  config["group_size"] = spec.group_size();
  config["scale_rank"] = scheme.mlp_rank;
  config["attn_lut_size"] = scheme.attn_lut;
  config["attn_group_size"] = spec.attn_group_size();
  config["attn_scale_rank"] = quantised ? scheme.attn_rank : -1;
  config["quantize_attn"] = quantised;
  return config;
}

void add_reading_rules(nlohmann::ordered_json& config, const QuantSpec& spec) {
  config["force_positive_scales"] = spec.force_positive_scales();
  config["magnitude_activation"] = "identity";
  if (nlohmann::ordered_json others = layer_overrides(spec); !others.empty())
    config["layer_overrides"] = std::move(others);
}

std::string config_text(const nlohmann::ordered_json& config) {
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace anemll
