#include "src/convert/v1_to_v2.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/quant/presets.hpp"
#include "src/convert/internal/expand_scales.hpp"
#include "src/core/signals.hpp"
#include "src/model/tensor_registry.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/v1_to_v2.hpp"
#include "src/student/share_layer.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

constexpr const char* kV1 = "v1";
constexpr const char* kV2 = "v2";
constexpr const char* kWeight = ".weight";
constexpr const char* kNothingMade = "nothing was made yet: run the same command again";

bool is_v1(const LinearQuant& quant) {
  return quant.type == kV1;
}

/// A snap left table values in the place of the weight, so that another weight takes its place in V2.
bool replaces_weight(const LinearQuant& from) {
  return from.snapped == V1Snap::lut;
}

/// The rows that rank 0 sends.
std::vector<TensorRow> rows_of(const LinearSpec& linear, const LinearQuant& from, const LinearQuant& to) {
  std::vector<TensorRow> rows = layer_type(kV2).table(linear, to);
  if (replaces_weight(from))
    rows.push_back({kWeight, at::kFloat, {linear.out, linear.in}, LayerRole::frozen});
  return rows;
}

/// What the conversion says of itself when it is done.
struct Told {
  std::size_t v1 = 0, started = 0, expanded = 0, factored = 0;
  std::string first_started;
  double error_sum = 0, worst_error = 0;
  std::string worst;
};

std::string linears_in_words(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " linear" : " linears");
}

void tell(const Told& told, const std::string& file) {
  log_info(strf("V1 to V2: %s of %s", linears_in_words(told.v1).c_str(), file.c_str()));
  if (told.started > 0)
    log_info(strf("started from the float weights, as from scratch, because V1 left them float: %s (%s%s)",
                  linears_in_words(told.started).c_str(), told.first_started.c_str(),
                  told.started > 1 ? ", ..." : ""));
  if (told.factored > 0)
    log_info(
        strf("a scale for each weight became factors: %s, relative error %.3g on average, at most %.3g (%s)",
             linears_in_words(told.factored).c_str(), told.error_sum / static_cast<double>(told.factored),
             told.worst_error, told.worst.c_str()));
  if (told.expanded > 0)
    log_info(strf("more scale ranks: %s; new components have magnitude %g",
                  linears_in_words(told.expanded).c_str(), kNewMagnitude));
}

/// One linear. `stream` tells its new directions from those of others.
LayerTensors convert_linear(const V2Checkpoint& v1, const LinearSpec& linear, const LinearQuant& from,
                            const LinearQuant& to, std::int64_t rank_of_full, const V1ToV2Options& options,
                            std::uint64_t stream, Told& told) {
  ++told.v1;
  LayerDraft read = layer_type(kV1).read(v1.tensors, linear, from, options.init.ste, v1.file);
  for (const std::string& warning : read.warnings) log_warning(warning);
  V2OfV1 made = v2_of_v1(linear, from, std::move(read.tensors), rank_of_full, options.init.ste);
  for (const std::string& warning : made.warnings) log_warning(linear.name + ": " + warning);
  if (made.factor_error) {
    ++told.factored;
    told.error_sum += *made.factor_error;
    if (told.worst.empty() || *made.factor_error > told.worst_error) {
      told.worst_error = *made.factor_error;
      told.worst = linear.name;
    }
  }
  LayerTensors& t = made.tensors;
  if (replaces_weight(from)) t[kWeight] = made.weight;
  if (t.at(".rank_magnitude").numel() == to.rank) return std::move(t);
  ++told.expanded;
  ScaleSet scales = with_rank({t.at(".scale_A"), t.at(".scale_B"), t.at(".rank_magnitude")}, to.rank,
                              options.seed, stream, /*first=*/false);
  t.at(".scale_A") = std::move(scales.a);
  t.at(".scale_B") = std::move(scales.b);
  t.at(".rank_magnitude") = std::move(scales.g);
  return std::move(t);
}

LayerTensors start_linear(const V2Checkpoint& v1, const ModelFiles& model, const LinearSpec& linear,
                          const LinearQuant& to, const V1ToV2Options& options, Told& told) {
  if (told.started++ == 0) told.first_started = linear.name;
  const std::string key = linear.name + kWeight;
  const HostTensor* own = v1.tensors.find(key);
  const HostTensor& weight = own != nullptr ? *own : *model.tensors.find(key);
  if (weight.shape != std::vector<std::int64_t>{linear.out, linear.in} || !is_floating(weight.dtype))
    throw_data(key + " is " + weight.describe() + ", not of the model's shape", v1.file,
               "give the checkpoint's own model as --model-id");
  LayerDraft draft = layer_type(kV2).start(as_torch(weight), to, options.init);
  for (const std::string& warning : draft.warnings) log_warning(linear.name + ": " + warning);
  return std::move(draft.tensors);
}

/// Numbers of a linear that was V1's against what was asked for by name.
void compare(const LinearQuant& from, const QuantSpec::Entry& to, const SchemeOverrides& wanted,
             std::vector<V1Contradiction>& found) {
  const auto add = [&](bool table, const std::optional<std::int64_t>& number, std::int64_t has) {
    if (!number || *number == has) return;
    const bool known = std::any_of(found.begin(), found.end(), [&](const V1Contradiction& c) {
      return c.mlp == to.mlp && c.table == table;
    });
    if (!known) found.push_back({to.mlp, table, *number, has, to.linear});
  };
  add(true, to.mlp ? wanted.mlp_lut : wanted.attn_lut, to.quant.lut_size);
  if (from.rank > 0) add(false, to.mlp ? wanted.mlp_rank : wanted.attn_rank, to.quant.rank);
}

}  // namespace

V1Plan plan_v1_to_v2(const V2Checkpoint& v1, const Architecture& architecture, const QuantWishes& wishes,
                     bool expand_rank) {
  QuantWishes asked = wishes;
  if (!wishes.group_size_given) asked.group_size = v1.keys.group_size.value_or(wishes.group_size);
  V1Plan plan;
  plan.target = scratch_quant(architecture, asked).spec;
  plan.from = plan.to = plan.target;
  const auto find = [&v1](const std::string& name) { return v1.tensors.find(name); };
  const std::vector<LinearSpec> linears = body_linears(architecture);
  std::size_t count = 0;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    LinearQuant& from = plan.from.entries()[i].quant;
    QuantSpec::Entry& to = plan.to.entries()[i];
    const std::optional<LinearQuant> found = recognise_layer(find, linears[i].name, v1.file);
    const std::int64_t group_size = from.group_size;
    from = found.value_or(float_linear());
    from.group_size = group_size;
    if (!found) continue;
    if (!is_v1(from))
      throw_data("holds layers of type " + from.type + ", " + linears[i].name + " among them", v1.file,
                 "a V2 file is --v2-checkpoint of anemll_train; convert a file of V1 layers");
    from.snapped = v1.keys.snapped;
    const std::int64_t target_rank = plan.target.entries()[i].quant.rank;
    to.quant = v2_quant_of_v1(linears[i], from, target_rank);
    if (expand_rank && from.rank > 0) to.quant.rank = std::max(from.rank, target_rank);
    compare(from, to, wishes.overrides, plan.contradictions);
    ++count;
  }
  if (count == 0)
    throw_data(
        "holds no V1 layer of this model", v1.file,
        "give the file of a V1 run, and its own model as --model-id; --from-scratch starts without one");
  if (!wishes.preset.empty() && wishes.preset != kCustomPreset && !fits_preset(plan.to, wishes.preset))
    plan.warnings.push_back("--config " + wishes.preset + " says " + preset_scheme(wishes.preset).describe() +
                            "; the V1 checkpoint becomes " + plan.to.describe() + ", which is used");
  return plan;
}

V2Checkpoint convert_v1_to_v2(const V2Checkpoint& v1, const ModelFiles& model, const V1Plan& plan,
                              const V1ToV2Options& options, Communicator& comm) {
  const at::NoGradGuard no_grad;
  const std::vector<LinearSpec> linears = body_linears(model.architecture);
  std::vector<LayerTensors> made(linears.size());
  on_root(comm, [&] {
    Progress bar("V1 to V2", static_cast<std::int64_t>(linears.size()), "linears");
    Told told;
    for (std::size_t i = 0; i < linears.size(); ++i) {
      leave_on_signal("converting V1 to V2", kNothingMade);
      const LinearQuant& from = plan.from.entries()[i].quant;
      const LinearQuant& to = plan.to.entries()[i].quant;
      made[i] = is_v1(from) ? convert_linear(v1, linears[i], from, to, plan.target.entries()[i].quant.rank,
                                             options, i, told)
                            : start_linear(v1, model, linears[i], to, options, told);
      bar.update(static_cast<std::int64_t>(i) + 1);
    }
    bar.finish();
    tell(told, v1.file);
  });
  V2Checkpoint v2;
  v2.file = v1.file;
  for (const TensorSpec& spec : expected_tensors(model.architecture)) {
    if (const HostTensor* tensor = v1.tensors.find(spec.name)) v2.tensors.set(spec.name, *tensor);
  }
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const std::vector<TensorRow> rows =
        rows_of(linears[i], plan.from.entries()[i].quant, plan.to.entries()[i].quant);
    share_layer(comm, 0, rows, made[i]);
    for (const auto& [suffix, tensor] : made[i]) {
      // A bias is the file's on every rank.
      if (suffix != ".bias" && tensor.defined()) v2.tensors.set(linears[i].name + suffix, as_host(tensor));
    }
    made[i].clear();
  }
  return v2;
}

Inventory v1_inventory(const V2Checkpoint& v1, const Architecture& architecture, const V1Plan& plan) {
  Inventory inventory;
  std::vector<std::string> used;
  for (const TensorSpec& spec : expected_tensors(architecture)) used.push_back(spec.name);
  std::vector<std::string> compared;
  for (const QuantSpec::Entry& entry : plan.from.entries()) {
    if (!is_v1(entry.quant)) continue;
    for (const char* suffix : {".lut", ".scale_A", ".scale_B", ".full_scales"})
      used.push_back(entry.linear + suffix);
    compared.push_back(entry.linear + "._cached_weight_q");
  }
  std::sort(used.begin(), used.end());
  std::sort(compared.begin(), compared.end());
  for (const auto& [name, tensor] : v1.tensors) {
    if (std::binary_search(used.begin(), used.end(), name))
      inventory.add(Fate::used, "tensor", name);
    else if (std::binary_search(compared.begin(), compared.end(), name))
      inventory.add(Fate::compared, "tensor", name);
    else
      inventory.add(Fate::left_out, "tensor", name, "neither the model's nor a V1 layer's");
  }
  return inventory;
}

}  // namespace anemll
