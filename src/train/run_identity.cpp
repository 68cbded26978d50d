#include "src/train/internal/run_identity.hpp"

#include <nlohmann/json.hpp>

namespace anemll {

std::string run_identity(const TrainOptions& o, const ModelFiles& files, const KdCacheInfo& cache,
                         const SourcePlan& source, const std::string& live_teacher) {
  const QuantSpec& spec = source.quant.spec;
  const QuantScheme scheme = spec.usual();
  nlohmann::json identity = {
      {"model", files.fingerprint},
      {"cache", cache.fingerprint},
      {"sequences_per_step", o.batch_size * o.accumulation_steps},
      {"batch_size", o.batch_size},
      {"order", choice_name(o.order)},
      {"seed", o.seed},
      {"luts_and_ranks", {scheme.mlp_lut, scheme.mlp_rank, scheme.attn_lut, scheme.attn_rank}},
      {"group_size", spec.group_size()},
      {"trained_values", source.trained_values},
      {"loss",
       {o.temperature, o.hard_top1, o.hard_top1_end.value_or(o.hard_top1), o.hard_full, o.no_full_logits,
        o.sampled_ce_weight, o.sampled_negatives}},
      {"eval_samples", o.eval_samples},
      {"numerics",
       {choice_name(o.precision), o.mixed_precision, choice_name(o.dtype), choice_name(o.forward),
        choice_name(o.ste)}},
      {"selection",
       {o.g_only, o.mlp_only, o.attn_only, o.freeze_mags, o.freeze_mags_mlp, o.train_norms_only}}};
  for (const QuantSpec::Entry& entry : spec.exceptions())
    identity["linears"][entry.linear] = {entry.quant.lut_size, entry.quant.rank};
  for (const QuantSpec::Entry& entry : spec.entries()) {
    if (entry.quant.type == "v2" && entry.quant.group_size != spec.group_size())
      identity["group_sizes"][entry.linear] = entry.quant.group_size;
  }
  if (o.v1) {
    identity["v1"] = {o.v1->train_weights, o.v1->train_scales};
    identity["attn_group_size"] = spec.attn_group_size();
  }
  // Named only where it is not the default, so that states from before there was a choice go on.
  if (o.scale_bits == 8) identity["numerics"].push_back("8-bit scales");
  if (o.positive_scales) identity["numerics"].push_back("positive-scales");
  if (!live_teacher.empty()) identity["teacher"] = live_teacher;
  if (o.kd_objective != KdObjective()) identity["loss"].push_back(choice_name(o.kd_objective));
  return identity.dump();
}

std::optional<std::int64_t> saved_batch_size(const SavedState& state) {
  const auto trainer = nlohmann::json::parse(state.trainer_json, nullptr, false);
  if (!trainer.is_object() || !trainer.contains("identity") || !trainer["identity"].is_object())
    return std::nullopt;
  const auto found = trainer["identity"].find("batch_size");
  if (found == trainer["identity"].end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

}  // namespace anemll
