#include "src/train/run_setup.hpp"

#include "anemll/core/platform.hpp"
#include "anemll/hub/hub.hpp"
#include "src/model/compute.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace anemll {

at::Device choose_device(const TrainOptions& options, int local_rank, int world_size) {
  return choose_device(options.device, local_rank, world_size == 1 || nccl_available());
}

at::ScalarType choose_compute(const TrainOptions& options, at::Device device) {
  if (options.precision == Precision::fp32) return at::kFloat;
  if (options.precision == Precision::bf16) return at::kBFloat16;
  if (!options.mixed_precision) return options.dtype == RunDtype::bf16 ? at::kBFloat16 : at::kFloat;
  return device.is_cuda() || cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
}

bool choose_ste(const TrainOptions& options) {
  if (options.ste != SteChoice::automatic) return options.ste == SteChoice::on;
  return options.dtype == RunDtype::fp32;
}

int set_threads(const TrainOptions& options, int local_ranks) {
  return set_compute_threads(static_cast<int>(options.threads), local_ranks);
}

ScheduleOptions schedule_of(const TrainOptions& o) {
  return {o.warmup_steps, o.max_steps, !o.constant_lr, o.min_lr_ratio};
}

Evaluator::Protocol evaluation_protocol(const TrainOptions& options) {
  return {options.eval_samples, options.temperature, options.cache_dir};
}

double positions_per_token(const KdCacheInfo& cache) {
  return static_cast<double>(std::min(cache.length - 1, cache.positions)) / static_cast<double>(cache.length);
}

std::string find_model(const std::string& id, const std::string& revision, ModelUse use, Communicator& comm) {
  HubOptions hub;
  hub.revision = revision;
  std::string path;
  on_root(comm, [&] { path = fetch_model(id, hub, use).path.string(); });
  broadcast_string(comm, path, 0);
  return path;
}

std::string run_identity(const TrainOptions& o, const ModelFiles& files, const KdCacheInfo& cache,
                         const SourcePlan& source) {
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
  // Named only where it is not the default, so that states from before there was a choice go on.
  if (o.kd_objective != KdObjective()) identity["loss"].push_back(choice_name(o.kd_objective));
  return identity.dump();
}

}  // namespace anemll
