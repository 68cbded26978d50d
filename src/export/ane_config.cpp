#include "src/export/ane_config.hpp"

#include "src/quant/layer_overrides.hpp"

#include <nlohmann/json.hpp>

namespace anemll {

std::string ane_config(const QuantSpec& spec, const SnapOptions& options, const AneConfigFacts& facts) {
  const QuantScheme usual = spec.usual();
  const bool universal = is_baked(options.layout);
  nlohmann::ordered_json config;
  config["version"] = "v2";
  if (universal) config["snapped_mode"] = "lut";
  config["model_id"] = facts.model_id;
  if (facts.model_revision) config["model_revision"] = *facts.model_revision;
  config["lut_bits"] = bits_of(usual.mlp_lut);
  config["attn_lut_bits"] = bits_of(usual.attn_lut);
  config["lut_size"] = usual.mlp_lut;
  config["scale_rank"] = usual.mlp_rank;
  config["attn_scale_rank"] = usual.attn_rank;
  config["group_size"] = spec.group_size();
  config["force_positive_scales"] = false;
  config["magnitude_activation"] = "identity";
  config["fp16"] = options.half;
  config["lora_r"] = 0;
  config["lora_alpha"] = 0;
  config["lora_merged"] = false;
  config["lora_mlp_only"] = false;
  config["mlp_only"] = false;
  config["skip_k_proj"] = true;
  config["recovery_r"] = 0;
  config["layer_overrides"] = layer_overrides(spec);
  config["checkpoint"] = facts.source_checkpoint;
  config["export_layout"] = choice_name(options.layout);
  // `.weight` holds LUT values there: choosing indices again from it would destroy the model.
  config["requantisable"] = !universal;
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace anemll
