// See source_plan.hpp. What counts as trained follows Student::make_trainable.
#include "src/train/source_plan.hpp"

#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

SchemeRequest scheme_request(const TrainOptions& options) {
  SchemeRequest request;
  request.preset = options.config.value_or("");
  request.overrides = {options.mlp_lut, options.mlp_rank, options.attn_lut, options.attn_rank};
  return request;
}

/// config.json beside a checkpoint, else v2_config.json, the name that some tools give it.
fs::path config_beside(const fs::path& checkpoint) {
  for (const char* name : {"config.json", "v2_config.json"}) {
    const fs::path path = checkpoint.parent_path() / name;
    if (fs::exists(path)) return path;
  }
  return {};
}

std::int64_t trained_values(const TrainOptions& o, const Architecture& a, const QuantScheme& scheme) {
  if (o.train_norms_only) return (2 * a.layer_count() + 1) * a.hidden_size;
  std::int64_t values = 0;
  for (const LinearSpec& linear : body_linears(a)) {
    if ((o.mlp_only && !linear.mlp) || (o.attn_only && linear.mlp)) continue;
    const std::int64_t rank = linear.mlp ? scheme.mlp_rank : scheme.attn_rank;
    const bool frozen_magnitudes = o.freeze_mags || (o.freeze_mags_mlp && linear.mlp && !o.attn_only);
    if (!o.g_only) values += rank * (linear.out + linear.in);
    if (!frozen_magnitudes) values += rank;
  }
  return values;
}

}  // namespace

CheckpointSource checkpoint_source(const TrainOptions& options, const TensorMap& checkpoint) {
  const fs::path path = *options.v2_checkpoint;
  CheckpointSource source;
  SchemeRequest request = scheme_request(options);
  request.checkpoint = &checkpoint;
  request.checkpoint_file = path.string();
  const fs::path config = config_beside(path);
  if (!config.empty()) {
    source.keys = read_quant_config(config);
    request.keys = &source.keys;
  }
  source.resolved = resolve_scheme(request);
  if (!source.keys.magnitude_activation.empty() && source.keys.magnitude_activation != "identity") {
    throw_data("magnitude_activation " + source.keys.magnitude_activation + " cannot be trained",
               config.string(), "only identity magnitudes are supported; bake the magnitudes first");
  }
  source.group_size = source.keys.group_size.value_or(options.group_size);
  if (options.is_given("group-size") && options.group_size != source.group_size) {
    throw_usage("--group-size " + std::to_string(options.group_size) +
                    " contradicts the checkpoint, whose scales have groups of " +
                    std::to_string(source.group_size),
                config.string(), "drop the flag, or start from the model's own weights");
  }
  return source;
}

ResolvedScheme scratch_scheme(const TrainOptions& options) {
  return resolve_scheme(scheme_request(options));
}

QuantScheme state_scheme(const StateStore::Loaded& state, const Architecture& architecture) {
  const auto size_of = [&](const std::string& name) {
    const HostTensor* tensor = state.frozen.find(name);
    if (tensor == nullptr) tensor = state.parameters.find(name);
    if (tensor == nullptr)
      throw_data("has no tensor " + name, state.folder.string(), "the checkpoint is of another model");
    return tensor->numel();
  };
  QuantScheme scheme{0, 0, 0, 0};
  for (const LinearSpec& linear : body_linears(architecture)) {
    std::int64_t& lut = linear.mlp ? scheme.mlp_lut : scheme.attn_lut;
    std::int64_t& rank = linear.mlp ? scheme.mlp_rank : scheme.attn_rank;
    if (lut != 0) continue;
    lut = size_of(linear.name + ".lut");
    rank = size_of(linear.name + ".rank_magnitude");
  }
  return scheme;
}

std::int64_t state_group_size(const StateStore::Loaded& state) {
  const json trainer = json::parse(state.trainer_json, nullptr, false);
  for (const auto& [part, key] : {std::pair{"identity", "group_size"}, std::pair{"options", "group-size"}}) {
    if (!trainer.is_object() || !trainer.contains(part) || !trainer[part].is_object()) continue;
    const json& object = trainer[part];
    if (const auto found = object.find(key); found != object.end() && found->is_number_integer())
      return found->get<std::int64_t>();
  }
  return TrainOptions().group_size;
}

SourcePlan plan_source(const TrainOptions& options, const Architecture& architecture,
                       const std::optional<StateStore::Loaded>& state) {
  SourcePlan plan;
  if (state) {
    plan.scheme = state_scheme(*state, architecture);
    plan.group_size = state_group_size(*state);
  } else if (options.v2_checkpoint) {
    const CheckpointSource source = checkpoint_source(options, read_state_dict(*options.v2_checkpoint));
    plan.scheme = source.resolved.scheme;
    plan.group_size = source.group_size;
  } else {
    plan.scheme = scratch_scheme(options).scheme;
    plan.group_size = options.group_size;
  }
  plan.trained_values = trained_values(options, architecture, plan.scheme);
  return plan;
}

}  // namespace anemll
