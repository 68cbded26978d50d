#include "src/export/ane_config.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

struct Shape {
  std::int64_t lut_size = 0;
  std::int64_t rank = 0;
  auto operator<=>(const Shape&) const = default;
};

Shape shape_of(const SnapLayer& layer) {
  return {layer.linear->config().lut_size, layer.linear->config().rank};
}

/// The shape that most layers of one kind have.
Shape usual_shape(const std::vector<SnapLayer>& layers, bool mlp) {
  std::map<Shape, std::int64_t> votes;
  for (const SnapLayer& layer : layers) {
    if (layer.mlp == mlp) ++votes[shape_of(layer)];
  }
  if (votes.empty()) return {};
  return std::max_element(votes.begin(), votes.end(),
                          [](const auto& x, const auto& y) { return x.second < y.second; })
      ->first;
}

}  // namespace

std::int64_t lut_bits(std::int64_t lut_size) {
  return lut_size < 2 ? 0
                      : static_cast<std::int64_t>(std::bit_width(static_cast<std::uint64_t>(lut_size - 1)));
}

std::string ane_config(const std::vector<SnapLayer>& layers, const SnapOptions& options,
                       const AneConfigFacts& facts) {
  const Shape mlp = usual_shape(layers, true);
  const Shape attention = usual_shape(layers, false);
  nlohmann::ordered_json overrides = nlohmann::ordered_json::object();
  for (const SnapLayer& layer : layers) {
    const Shape shape = shape_of(layer);
    if (shape == (layer.mlp ? mlp : attention)) continue;
    overrides[layer.linear->name()] = {{"lut_bits", lut_bits(shape.lut_size)}, {"scale_rank", shape.rank}};
  }

  const bool universal = options.layout == AneLayout::universal;
  nlohmann::ordered_json config;
  config["version"] = "v2";
  if (universal) config["snapped_mode"] = "lut";
  config["model_id"] = facts.model_id;
  config["lut_bits"] = lut_bits(mlp.lut_size);
  config["attn_lut_bits"] = lut_bits(attention.lut_size);
  config["lut_size"] = mlp.lut_size;
  config["scale_rank"] = mlp.rank;
  config["attn_scale_rank"] = attention.rank;
  config["group_size"] = facts.group_size;
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
  config["layer_overrides"] = std::move(overrides);
  config["checkpoint"] = facts.source_checkpoint;
  config["export_layout"] = universal ? "universal" : "reference";
  // `.weight` holds LUT values there: choosing indices again from it would destroy the model.
  config["requantisable"] = !universal;
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace anemll
