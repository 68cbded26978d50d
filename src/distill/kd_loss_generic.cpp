// The loss by tensor operations, chunked like the CPU kernels; everything stays on the device until the sums
// are read back once.
#include "anemll/core/error.hpp"
#include "src/distill/kd_chunk.hpp"
#include "src/distill/kd_loss.hpp"
#include "src/distill/objective.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace anemll {
namespace {

/// Candidate rows of the head gathered at once without full logits: bounds [chunk, K, H].
constexpr std::int64_t kGatherTokens = 256;

}  // namespace

KdLossSums kd_loss_generic(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                           const KdLossOptions& options, const at::Tensor& gradient) {
  const at::NoGradGuard no_grad;
  const at::ScalarType wide = head.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Objective& objective = *options.objective;
  const bool full = options.hard_top1 + options.hard_full > 0 || objective.all_logits;
  const std::int64_t tokens = hidden.size(0);
  const std::int64_t step = full ? options.chunk_tokens : std::min(options.chunk_tokens, kGatherTokens);
  at::Tensor ids = targets.topk_idx.to(head.device(), at::kLong);
  if (options.sampled_ce_weight > 0) ids = at::cat({ids, targets.negatives.to(head.device(), at::kLong)}, 1);
  const at::Tensor weight = targets.weight.to(head.device(), wide).unsqueeze(1);
  const at::Tensor counts = weight != 0;
  // Ids of rows that count must be valid; checked by a flag that travels with the sums instead of a wait
  // here.
  const at::Tensor invalid = ((ids < 0) | (ids >= head.size(0))) & counts;
  ids = ids.clamp(0, head.size(0) - 1);
  at::Tensor sums = at::zeros({5}, head.options().dtype(at::kDouble));
  const at::Tensor zero = at::zeros({}, head.options().dtype(wide));
  for (std::int64_t begin = 0; begin < tokens; begin += step) {
    const std::int64_t count = std::min(step, tokens - begin);
    const at::Tensor used = counts.narrow(0, begin, count);
    const auto cut = [&](const at::Tensor& rows) {
      return at::where(used, rows.narrow(0, begin, count).to(head.device(), wide), zero);
    };
    kd::Chunk chunk{cut(hidden),
                    ids.narrow(0, begin, count),
                    cut(targets.topk_logits),
                    weight.narrow(0, begin, count),
                    {},
                    {}};
    if (objective.payloads.has(Payload::lse)) chunk.lse = cut(targets.teacher_lse.unsqueeze(1));
    if (objective.payloads.has(Payload::hidden)) chunk.teacher_hidden = cut(targets.teacher_hidden);
    const at::Tensor slope = objective.on_chunk(chunk, head, options, gradient.defined(), sums);
    if (gradient.defined()) gradient.narrow(0, begin, count).copy_(slope);
  }
  sums[3] += weight.to(at::kDouble).sum();
  sums[4] += invalid.sum();
  const at::Tensor host = sums.cpu();
  const double* values = host.const_data_ptr<double>();
  if (values[4] > 0) {
    throw_data("candidate ids are outside the vocabulary of " + std::to_string(head.size(0)),
               "distillation targets", "the cache belongs to a model with another vocabulary");
  }
  KdLossSums result;
  result.kl = values[0];
  result.ce = values[1];
  result.sampled_ce = values[2];
  result.tokens = values[3];
  result.total = result.kl + (options.hard_top1 + options.hard_full) * result.ce +
                 options.sampled_ce_weight * result.sampled_ce;
  return result;
}

}  // namespace anemll
