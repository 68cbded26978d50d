#include "src/train/run_setup.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/platform.hpp"
#include "anemll/hub/hub.hpp"
#include "src/model/compute.hpp"
#include "src/train/objective.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace anemll {

at::Device choose_device(const TrainOptions& options, int local_rank, int world_size) {
  return choose_device(options.device, local_rank, world_size == 1 || nccl_available());
}

at::ScalarType choose_compute(const TrainOptions& options, at::Device device) {
  if (options.precision == "fp32") return at::kFloat;
  if (options.precision == "bf16") return at::kBFloat16;
  if (!options.mixed_precision) return options.dtype == "bf16" ? at::kBFloat16 : at::kFloat;
  return device.is_cuda() || cpu_has_bf16() ? at::kBFloat16 : at::kFloat;
}

bool choose_ste(const TrainOptions& options) {
  if (options.ste != "auto") return options.ste == "on";
  return options.dtype == "fp32";
}

ForwardMode choose_forward(const TrainOptions& options) {
  if (options.forward == "auto") return ForwardMode::automatic;
  if (options.forward == "batched") return ForwardMode::batched;
  if (options.forward == "loop") return ForwardMode::loop;
  return ForwardMode::materialised;
}

int set_threads(const TrainOptions& options, int local_ranks) {
  return set_compute_threads(static_cast<int>(options.threads), local_ranks);
}

ScheduleOptions schedule_of(const TrainOptions& o) {
  return {o.warmup_steps, o.max_steps, !o.constant_lr, o.min_lr_ratio};
}

std::string find_model(const std::string& id, Communicator& comm) {
  std::string path;
  on_root(comm, [&] { path = fetch_model(id, {}).path.string(); });
  broadcast_string(comm, path, 0);
  return path;
}

std::string run_identity(const TrainOptions& o, const ModelFiles& files, const KdCacheInfo& cache,
                         const QuantScheme& scheme, std::int64_t trained_values) {
  nlohmann::json identity = {
      {"model", files.fingerprint},
      {"cache", cache.fingerprint},
      {"sequences_per_step", o.batch_size * o.accumulation_steps},
      {"batch_size", o.batch_size},
      {"order", o.order},
      {"seed", o.seed},
      {"luts_and_ranks", {scheme.mlp_lut, scheme.mlp_rank, scheme.attn_lut, scheme.attn_rank}},
      {"trained_values", trained_values},
      {"loss",
       {o.temperature, o.hard_top1, o.hard_top1_end.value_or(o.hard_top1), o.hard_full, o.no_full_logits,
        o.sampled_ce_weight, o.sampled_negatives}},
      {"eval_samples", o.eval_samples},
      {"numerics", {o.precision, o.mixed_precision, o.dtype, o.forward, o.ste}},
      {"selection",
       {o.g_only, o.mlp_only, o.attn_only, o.freeze_mags, o.freeze_mags_mlp, o.train_norms_only}}};
  // Named only where it is not the default, so that states from before there was a choice go on.
  if (o.kd_objective != "topk") identity["loss"].push_back(o.kd_objective);
  return identity.dump();
}

std::string plan_memory(const TrainOptions& o, const Architecture& a, const KdCacheInfo& cache,
                        const QuantScheme& scheme, std::int64_t trained_values, int world_size,
                        at::ScalarType compute) {
  const auto compute_bytes = static_cast<std::int64_t>(c10::elementSize(compute));
  std::int64_t body = 0;
  std::int64_t scales = 0;
  std::int64_t saved_per_token = 2 * a.hidden_size * 4;  // the two residual sums of a layer, fp32
  std::int64_t per_layer_outputs = 0;
  for (const LinearSpec& linear : body_linears(a)) {
    const std::int64_t rank = linear.mlp ? scheme.mlp_rank : scheme.attn_rank;
    body += linear.out * linear.in;
    scales += rank * (linear.out + linear.in + 1);
    per_layer_outputs += linear.out;
  }
  per_layer_outputs /= std::max<std::int64_t>(a.layers, 1);
  // Linear outputs, the two norm outputs and the SwiGLU product are kept for backward in the compute dtype.
  saved_per_token += (per_layer_outputs + 2 * a.hidden_size + a.intermediate_size) * compute_bytes;
  const std::int64_t rows = (o.batch_size + world_size - 1) / world_size;
  const std::int64_t tokens = rows * cache.length;
  const std::int64_t kept_layers = o.gradient_checkpointing ? 1 : a.layers;
  const bool materialised = o.forward == "materialised";
  const std::int64_t head = a.vocab_size * a.hidden_size;
  const KdObjective objective = objective_of(o);
  const bool exact = objective == KdObjective::exact;
  const bool divergences = o.eval_samples > 0 && (cache.hidden > 0 || o.eval_text || o.teacher_model);
  const std::int64_t hidden = a.hidden_size * 2;
  const std::int64_t sequence = cache.length * 5 + cache.positions * (cache.topk * 6 + (exact ? hidden : 0));
  const std::int64_t teacher_body = o.eval_text || o.teacher_model ? body * 4 : 0;

  std::vector<std::pair<std::string, std::int64_t>> items = {
      {"indices (uint8)", body},
      {"scales (fp32)", scales * 4},
      {"gradients and AdamW moments (fp32)", trained_values * 12},
      {materialised ? "weights of the step" : "rounded Q of a layer",
       materialised ? body * compute_bytes : a.hidden_size * a.intermediate_size * 4},
      {"weight gradients over micro-steps", materialised && o.accumulation_steps > 1 ? body * 4 : 0},
      {"head in compute precision, fp32 for evaluation",
       head * compute_bytes + (o.eval_samples > 0 && compute_bytes < 4 ? head * 4 : 0)},
      {"activations kept for backward", tokens * kept_layers * saved_per_token},
      {exact ? "logits chunks of teacher and student" : "logits chunk and its gradient",
       KdLossOptions().chunk_tokens * a.vocab_size * compute_bytes * (exact ? 2 : 1)},
      {"batches read ahead", 5 * rows * sequence},
      {"divergences of an evaluation: two logits chunks", divergences ? 2 * 128 * a.vocab_size * 4 : 0},
      {"teacher of the first evaluation (fp32)", teacher_body},
      {"libraries", std::int64_t{300} << 20},
  };
  std::string text = strf("Memory per rank (%d ranks, %lld tokens each per micro-step), estimated:\n",
                          world_size, static_cast<long long>(tokens));
  std::int64_t total = 0;
  for (const auto& [name, bytes] : items) {
    total += bytes;
    text += strf("  %-48s %12s\n", name.c_str(), format_bytes(static_cast<std::uint64_t>(bytes)).c_str());
  }
  return text + strf("  %-48s %12s", "total", format_bytes(static_cast<std::uint64_t>(total)).c_str());
}

}  // namespace anemll
