#include "src/train/internal/source_plan.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/layer_type.hpp"
#include "src/student/layer_overrides_option.hpp"
#include "src/train/internal/machine_choices.hpp"
#include "src/train/internal/selection.hpp"
#include "src/train/internal/v1_quant.hpp"

#include <optional>
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
  wish_layer_overrides(options.layer_overrides, wishes);
  wishes.group_size = options.group_size;
  wishes.group_size_given = options.is_given("group-size");
  wishes.positive_scales = options.positive_scales;
  return wishes;
}

struct GroupSizes {
  std::int64_t mlp, attention;
  json others = {};  // by linear
};

/// The group sizes that the saved run's scales were made with; 32, the default, where an old state does not
/// say.
GroupSizes state_group_sizes(const SavedState& state) {
  const json trainer = json::parse(state.trainer_json, nullptr, false);
  const auto number = [&trainer](const char* part, const char* key) -> std::optional<std::int64_t> {
    if (!trainer.is_object() || !trainer.contains(part) || !trainer[part].is_object()) return std::nullopt;
    const auto found = trainer[part].find(key);
    if (found == trainer[part].end() || !found->is_number_integer()) return std::nullopt;
    return found->get<std::int64_t>();
  };
  const std::int64_t mlp = number("identity", "group_size")
                               .value_or(number("options", "group-size").value_or(TrainOptions().group_size));
  json others = json::object();
  if (trainer.is_object() && trainer.contains("identity") && trainer["identity"].is_object())
    others = trainer["identity"].value("group_sizes", json::object());
  return {mlp, number("identity", "attn_group_size").value_or(mlp), std::move(others)};
}

/// V1 layers are trained by their own program, and it trains no others.
void require_own_types(const TrainOptions& options, const SourcePlan& plan) {
  const std::string& holder = plan.checkpoint ? plan.checkpoint->file : plan.quant.source;
  for (const QuantSpec::Entry& entry : plan.quant.spec.entries()) {
    const bool v1 = entry.quant.type == "v1";
    if (v1 && !options.v1)
      throw_usage("holds V1 layers, " + entry.linear + " among them", holder,
                  plan.checkpoint ? "train them with anemll_train_v1, or give the file to --v1-checkpoint"
                                  : "train them with anemll_train_v1");
    if (!v1 && options.v1 && entry.quant.type != "float")
      throw_usage("holds layers of type " + entry.quant.type + ", " + entry.linear + " among them", holder,
                  "train them with anemll_train");
  }
}

/// "--mlp-rank 16 contradicts the V1 checkpoint, which has 4"
void require_no_contradiction(const V1Plan& plan, const std::string& file) {
  if (plan.contradictions.empty()) return;
  const V1Contradiction& first = plan.contradictions.front();
  const bool grows = !first.table && first.wanted > first.has;
  throw_usage(
      strf("--%s-%s %lld contradicts the V1 checkpoint, which has %lld in %s", first.mlp ? "mlp" : "attn",
           first.table ? "lut" : "rank", static_cast<long long>(first.wanted),
           static_cast<long long>(first.has), first.linear.c_str()),
      file, grows ? "drop the flag, or add --expand-rank" : "drop the flag");
}

}  // namespace

QuantSpec state_spec(const SavedState& state, const Architecture& architecture) {
  const std::string folder = state.folder.string();
  const auto find = [&](const std::string& name) {
    const HostTensor* tensor = state.frozen.find(name);
    return tensor != nullptr ? tensor : state.parameters.find(name);
  };
  const GroupSizes sizes = state_group_sizes(state);
  QuantSpec spec(body_linears(architecture), {}, sizes.mlp);
  for (QuantSpec::Entry& entry : spec.entries()) {
    const std::optional<LinearQuant> quant = recognise_layer(find, entry.linear, folder);
    if (quant) {
      entry.quant = *quant;
    } else if (find(entry.linear + ".weight") != nullptr) {
      entry.quant = float_linear();
    } else {
      throw_data("has no tensors of " + entry.linear, folder, "the checkpoint is of another model");
    }
    entry.quant.group_size = entry.mlp ? sizes.mlp : sizes.attention;
    if (sizes.others.is_object() && sizes.others.contains(entry.linear))
      entry.quant.group_size = sizes.others[entry.linear].get<std::int64_t>();
  }
  return spec;
}

SourcePlan plan_source(const TrainOptions& options, const Architecture& architecture,
                       const std::optional<SavedState>& state) {
  SourcePlan plan;
  if (state) {
    plan.quant.spec = state_spec(*state, architecture);
    plan.quant.source = state->folder.string();
  } else if (options.v1) {
    if (options.v2_checkpoint) plan.checkpoint = open_v2_checkpoint(*options.v2_checkpoint);
    plan.quant = v1_quant(options, architecture, plan.checkpoint ? &*plan.checkpoint : nullptr);
  } else if (options.v1_checkpoint) {
    plan.checkpoint = open_v2_checkpoint(*options.v1_checkpoint);
    const std::string& file = plan.checkpoint->file;
    plan.v1 = plan_v1_to_v2(*plan.checkpoint, architecture, wishes_of(options), options.expand_rank);
    require_no_contradiction(*plan.v1, file);
    plan.quant = {plan.v1->to, "tensor shapes of " + file, plan.v1->warnings};
  } else if (options.v2_checkpoint) {
    plan.checkpoint = open_v2_checkpoint(*options.v2_checkpoint);
    plan.quant = checkpoint_quant(*plan.checkpoint, architecture, wishes_of(options));
  } else {
    plan.quant = scratch_quant(architecture, wishes_of(options));
  }
  require_own_types(options, plan);
  plan.trained_values = count_selected(options, architecture, plan.quant.spec);
  return plan;
}

std::string describe(const SourcePlan& plan) {
  return strf("quantisation: %s (%s), group %lld", plan.quant.spec.describe().c_str(),
              plan.quant.source.c_str(), static_cast<long long>(plan.quant.spec.group_size()));
}

Student make_student(const TrainOptions& options, const ModelFiles& files, const SourcePlan& plan,
                     const std::optional<SavedState>& state, at::Device device, Communicator& comm) {
  const QuantSpec& spec = plan.quant.spec;
  if (state) return Student::from_tensors(files, spec, tensors_of(*state), device, state->folder.string());
  for (const std::string& warning : plan.quant.warnings) log_warning(warning);
  log_info(describe(plan));
  const bool ste = choose_ste(options);
  const InitOptions init{options.svd_floor, options.fast_init, ste};
  if (plan.v1) {
    const V1ToV2Options conversion{static_cast<std::uint64_t>(options.seed), init};
    const V2Checkpoint made = convert_v1_to_v2(*plan.checkpoint, files, *plan.v1, conversion, comm);
    return Student::from_checkpoint(files, made, spec, ste, device);
  }
  if (plan.checkpoint) return Student::from_checkpoint(files, *plan.checkpoint, spec, ste, device);
  return Student::from_scratch(files, spec, init, device, comm);
}

TensorMap tensors_of(const SavedState& state) {
  TensorMap all = state.frozen;
  for (const auto& [name, tensor] : state.parameters) all.set(name, tensor);
  return all;
}

}  // namespace anemll
