// See memory_plan.hpp. Each item names one allocation that grows with the model, the batch or the cache.
#include "src/train/internal/memory_plan.hpp"

#include "anemll/core/log.hpp"
#include "src/distill/objective.hpp"
#include "src/quant/layer_type.hpp"

#include <algorithm>

#include <c10/util/accumulate.h>

namespace anemll {

std::int64_t MemoryPlan::total_bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, bytes] : items) total += bytes;
  return total;
}

std::string MemoryPlan::text() const {
  std::string out = strf("Memory per rank (%lld ranks, %lld tokens each per micro-step), estimated:\n",
                         static_cast<long long>(ranks), static_cast<long long>(tokens));
  const auto line = [](const std::string& name, std::int64_t bytes) {
    return strf("  %-48s %12s", name.c_str(), format_bytes(static_cast<std::uint64_t>(bytes)).c_str());
  };
  for (const auto& [name, bytes] : items) out += line(name, bytes) + '\n';
  return out + line("total", total_bytes());
}

MemoryPlan plan_memory(const TrainOptions& o, const Architecture& a, const KdCacheInfo& cache,
                       const SourcePlan& source, int world_size, at::ScalarType compute) {
  const auto compute_bytes = static_cast<std::int64_t>(c10::elementSize(compute));
  std::int64_t body = 0;                                 // weights of the linears
  std::int64_t indices = 0;                              // stored ones
  std::int64_t floats = 0;                               // of the layers' tables
  std::int64_t saved_per_token = 2 * a.hidden_size * 4;  // the two residual sums of a layer, fp32
  std::int64_t per_layer_outputs = 0;
  for (const LinearSpec& linear : body_linears(a)) {
    const LinearQuant& quant = source.quant.spec.of(linear.name);
    for (const TensorRow& row : layer_type(quant.type).table(linear, quant)) {
      if (row.dtype == at::kByte) indices += c10::multiply_integers(row.shape);
      if (row.role == LayerRole::trained || row.suffix == ".weight")
        floats += c10::multiply_integers(row.shape);
    }
    body += linear.out * linear.in;
    per_layer_outputs += linear.out;
  }
  per_layer_outputs /= std::max<std::int64_t>(a.layer_count(), 1);
  // Linear outputs, the two norm outputs and the SwiGLU product are kept for backward in the compute dtype.
  saved_per_token += (per_layer_outputs + 2 * a.hidden_size + a.intermediate_size) * compute_bytes;
  // Rows that the cache does not have are not computed.
  const std::int64_t rows = std::min((o.batch_size + world_size - 1) / world_size, cache.sequences);
  const std::int64_t tokens = rows * cache.length;
  const std::int64_t kept_layers = o.gradient_checkpointing ? 1 : a.layer_count();
  const bool materialised = o.forward == ForwardMode::materialised;
  const std::int64_t head = a.vocab_size * a.hidden_size;
  const Objective& objective = *o.kd_objective;
  const bool divergences = o.eval_samples > 0 && (cache.hidden > 0 || o.eval_text || o.teacher_model);
  const std::int64_t hidden = objective.payloads.has(Payload::hidden) ? a.hidden_size * 2 : 0;
  const std::int64_t sequence = cache.length * 5 + cache.positions * (cache.topk * 6 + hidden);
  const std::int64_t teacher_body = o.eval_text || o.teacher_model ? body * 4 : 0;

  MemoryPlan plan;
  plan.ranks = world_size;
  plan.tokens = tokens;
  plan.items = {
      {"indices (uint8)", indices},
      {o.v1 ? "weights and scales (fp32)" : "scales (fp32)", floats * 4},
      {"gradients and AdamW moments (fp32)",
       source.trained_values * 4 + source.trained_values * 8 / (o.shard_optimizer ? world_size : 1)},
      {materialised ? "weights of the step" : "rounded Q of a layer",
       materialised ? body * compute_bytes : a.hidden_size * a.intermediate_size * 4},
      {"weight gradients over micro-steps", materialised && o.accumulation_steps > 1 && !o.v1 ? body * 4 : 0},
      {"head in compute precision, fp32 for evaluation",
       head * compute_bytes + (o.eval_samples > 0 && compute_bytes < 4 ? head * 4 : 0)},
      {"activations kept for backward", tokens * kept_layers * saved_per_token},
      {objective.teacher_logits ? "logits chunks of teacher and student" : "logits chunk and its gradient",
       KdLossOptions().chunk_tokens * a.vocab_size * compute_bytes * (objective.teacher_logits ? 2 : 1)},
      {"batches read ahead", 5 * rows * sequence},
      {"divergences of an evaluation: two logits chunks", divergences ? a.vocab_size * 2 * 128 * 4 : 0},
      {"teacher of the first evaluation (fp32)", teacher_body},
      {"libraries", std::int64_t{300} << 20},
  };
  return plan;
}

}  // namespace anemll
