#include "src/train/internal/source_plan.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/layer_type.hpp"
#include "src/train/internal/selection.hpp"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using nlohmann::json;

QuantWishes wishes_of(const TrainOptions& options) {
  QuantWishes wishes;
  wishes.preset = options.config.value_or("");
  wishes.overrides = {options.mlp_lut, options.mlp_rank, options.attn_lut, options.attn_rank};
  wishes.group_size = options.group_size;
  wishes.group_size_given = options.is_given("group-size");
  return wishes;
}

/// The group size that the saved run's scales were made with; 32, the default, where an old state does not
/// say.
std::int64_t state_group_size(const SavedState& state) {
  const json trainer = json::parse(state.trainer_json, nullptr, false);
  for (const auto& [part, key] : {std::pair{"identity", "group_size"}, std::pair{"options", "group-size"}}) {
    if (!trainer.is_object() || !trainer.contains(part) || !trainer[part].is_object()) continue;
    const json& object = trainer[part];
    if (const auto found = object.find(key); found != object.end() && found->is_number_integer())
      return found->get<std::int64_t>();
  }
  return TrainOptions().group_size;
}

/// Types, tables and ranks of a saved state, by its shapes.
QuantSpec state_spec(const SavedState& state, const Architecture& architecture) {
  const std::string folder = state.folder.string();
  const auto find = [&](const std::string& name) {
    const HostTensor* tensor = state.frozen.find(name);
    return tensor != nullptr ? tensor : state.parameters.find(name);
  };
  const std::int64_t group_size = state_group_size(state);
  QuantSpec spec(body_linears(architecture), {}, group_size);
  for (QuantSpec::Entry& entry : spec.entries()) {
    const std::optional<LinearQuant> quant = recognise_layer(find, entry.linear, folder);
    if (!quant) throw_data("has no tensors of " + entry.linear, folder, "the checkpoint is of another model");
    entry.quant = *quant;
    entry.quant.group_size = group_size;
  }
  return spec;
}

}  // namespace

SourcePlan plan_source(const TrainOptions& options, const Architecture& architecture,
                       const std::optional<SavedState>& state) {
  SourcePlan plan;
  if (state) {
    plan.quant.spec = state_spec(*state, architecture);
    plan.quant.source = state->folder.string();
  } else if (options.v2_checkpoint) {
    plan.checkpoint = open_v2_checkpoint(*options.v2_checkpoint);
    plan.quant = checkpoint_quant(*plan.checkpoint, architecture, wishes_of(options));
  } else {
    plan.quant = scratch_quant(architecture, wishes_of(options));
  }
  plan.trained_values = count_selected(options, architecture, plan.quant.spec);
  return plan;
}

std::string describe(const SourcePlan& plan) {
  return strf("quantisation: %s (%s), group %lld", plan.quant.spec.describe().c_str(),
              plan.quant.source.c_str(), static_cast<long long>(plan.quant.spec.group_size()));
}

TensorMap tensors_of(const SavedState& state) {
  TensorMap all = state.frozen;
  for (const auto& [name, tensor] : state.parameters) all.set(name, tensor);
  return all;
}

}  // namespace anemll
