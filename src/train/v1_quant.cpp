#include "src/train/internal/v1_quant.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/layer_type.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace anemll {
namespace {

/// Also where the rank reaches the maximum; a state says rank 0 of both.
bool has_full_scales(const LinearSpec& linear, const LinearQuant& quant) {
  const std::vector<TensorRow> table = layer_type(quant.type).table(linear, quant);
  return std::any_of(table.begin(), table.end(),
                     [](const TensorRow& row) { return row.suffix == ".full_scales"; });
}

/// Linears whose rank the options name and that get a scale for each weight all the same.
std::size_t beyond_rank(const TrainOptions& o, const QuantSpec& spec) {
  const V1Options& v1 = *o.v1;
  std::size_t count = 0;
  for (const QuantSpec::Entry& entry : spec.entries()) {
    const std::int64_t rank = entry.mlp || v1.attn_scale_rank < 0 ? v1.scale_rank : v1.attn_scale_rank;
    if (entry.quant.type == "v1" && entry.quant.rank == 0 && rank > 0) ++count;
  }
  return count;
}

QuantSpec asked_for(const TrainOptions& o, const Architecture& architecture) {
  const V1Options& v1 = *o.v1;
  const QuantScheme scheme{v1.lut_size, v1.scale_rank, v1.attn_lut_size > 0 ? v1.attn_lut_size : v1.lut_size,
                           v1.attn_scale_rank >= 0 ? v1.attn_scale_rank : v1.scale_rank};
  const std::vector<LinearSpec> linears = body_linears(architecture);
  QuantSpec spec(linears, scheme, o.group_size);
  for (std::size_t i = 0; i < linears.size(); ++i) {
    LinearQuant& quant = spec.entries()[i].quant;
    if (!linears[i].mlp && !v1.quantize_attn) {
      quant = float_linear();
      quant.group_size = o.group_size;
      continue;
    }
    quant.type = "v1";
    if (!linears[i].mlp && v1.attn_group_size > 0) quant.group_size = v1.attn_group_size;
    if (has_full_scales(linears[i], quant)) quant.rank = 0;
  }
  return spec;
}

bool asked(const TrainOptions& o) {
  constexpr const char* kNames[] = {"lut-size", "scale-rank", "attn-lut-size", "attn-scale-rank"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](const char* name) { return o.is_given(name); });
}

}  // namespace

ResolvedQuant v1_quant(const TrainOptions& o, const Architecture& architecture, const V2Checkpoint* state) {
  ResolvedQuant resolved;
  resolved.spec = asked_for(o, architecture);
  resolved.source = "options";
  const std::size_t all = resolved.spec.entries().size();
  if (state == nullptr) {
    if (const std::size_t full = beyond_rank(o, resolved.spec); full > 0)
      resolved.warnings.push_back("the scale rank reaches the size of the scales of " + std::to_string(full) +
                                  " of " + std::to_string(all) +
                                  " linears: every weight of these gets a scale of its own");
    return resolved;
  }
  const std::string wanted = resolved.spec.describe();
  const auto find = [&](const std::string& name) { return state->tensors.find(name); };
  std::size_t started = 0;
  for (QuantSpec::Entry& entry : resolved.spec.entries()) {
    const std::optional<LinearQuant> found = recognise_layer(find, entry.linear, state->file);
    if (!found) {
      started += entry.quant.type == "v1" ? 1U : 0U;
      continue;
    }
    const std::int64_t asked_group = entry.quant.group_size;
    const QuantConfigKeys& keys = state->keys;
    entry.quant = *found;
    entry.quant.group_size =
        (entry.mlp || !keys.attn_group_size ? keys.group_size : keys.attn_group_size).value_or(asked_group);
  }
  if (state->keys.snapped != V1Snap::none)
    throw_usage("holds snapped weights, which are not trained or snapped again", state->file,
                "give the file that was snapped, such as best_state_dict.pt of its run");
  if (started > 0)
    log_info(std::to_string(started) + " of " + std::to_string(all) + " linears have no scales in " +
             state->file + ": they start from its weights");
  if (started < all) resolved.source = "tensor shapes of " + state->file;
  if (asked(o) && resolved.spec.describe() != wanted)
    resolved.warnings.push_back("the options say " + wanted + "; " + state->file + " has " +
                                resolved.spec.describe() + ", which is used");
  return resolved;
}

}  // namespace anemll
