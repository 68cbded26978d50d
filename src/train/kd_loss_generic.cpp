// The loss by tensor operations, chunked like the CPU kernels; everything stays on the device until the sums
// are read back once.
#include "anemll/core/error.hpp"
#include "src/train/kd_loss.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace anemll {
namespace {

/// Candidate rows of the head gathered at once without full logits: bounds [chunk, K, H].
constexpr std::int64_t kGatherTokens = 64;

struct Chunk {
  at::Tensor hidden;   // [C, H], zeros where the weight is 0
  at::Tensor ids;      // [C, K + R] int64, valid
  at::Tensor teacher;  // [C, K]
  at::Tensor weight;   // [C, 1]
  at::Tensor counts;   // [C, 1] bool: weight is not 0
};

/// Terms from candidate logits [C, K + R]; adds to sums [3] (kl, ce, sampled) and returns d(weighted
/// terms)/d(logits).
at::Tensor candidate_terms(const Chunk& chunk, const at::Tensor& student, const KdLossOptions& options,
                           at::Tensor& sums) {
  const std::int64_t cached = chunk.teacher.size(1);
  const double temperature = options.temperature;
  const at::Tensor log_p = at::log_softmax(chunk.teacher / temperature, 1);
  const at::Tensor log_q = at::log_softmax(student.narrow(1, 0, cached) / temperature, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor zero = at::zeros({}, p.options());
  const at::Tensor terms = at::where(p == 0, zero, p * (log_p - log_q));
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_((log_q.exp() - p) * temperature);
  const at::Tensor weight = chunk.weight.to(at::kDouble);
  sums[0] += (terms.sum(1, true).to(at::kDouble) * weight).sum() * (temperature * temperature);
  if (options.sampled_ce_weight > 0) {
    const at::Tensor log_all = at::log_softmax(student, 1);
    sums[2] -= (log_all.narrow(1, 0, 1).to(at::kDouble) * weight).sum();
    slope += log_all.exp() * options.sampled_ce_weight;
    slope.narrow(1, 0, 1).sub_(options.sampled_ce_weight);
  }
  return slope * chunk.weight;
}

at::Tensor full_logits(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                       bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const double hard = options.hard_top1 + options.hard_full;
  const at::Tensor logits = at::mm(chunk.hidden.to(head.scalar_type()), head.t()).to(wide);
  const at::Tensor student = logits.gather(1, chunk.ids);
  const at::Tensor slope = candidate_terms(chunk, student, options, sums);
  const at::Tensor norm = at::logsumexp(logits, 1, true);
  const at::Tensor ce = (norm - student.narrow(1, 0, 1)).to(at::kDouble);
  sums[1] += (ce * chunk.weight.to(at::kDouble)).sum();
  if (!with_gradient) return {};
  at::Tensor slopes = logits.sub_(norm).exp_().mul_(chunk.weight * hard);
  slopes.scatter_add_(1, chunk.ids, slope);
  slopes.scatter_add_(1, chunk.ids.narrow(1, 0, 1), chunk.weight * -hard);
  return at::mm(slopes.to(head.scalar_type()), head);
}

at::Tensor candidate_logits(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                            bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const at::Tensor rows = head.index_select(0, chunk.ids.reshape({-1}))
                              .to(wide)
                              .view({chunk.ids.size(0), chunk.ids.size(1), head.size(1)});
  const at::Tensor student = at::bmm(rows, chunk.hidden.to(wide).unsqueeze(2)).squeeze(2);
  const at::Tensor slope = candidate_terms(chunk, student, options, sums);
  if (!with_gradient) return {};
  return at::bmm(slope.unsqueeze(1), rows).squeeze(1);
}

}  // namespace

KdLossSums kd_loss_generic(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                           const KdLossOptions& options, const at::Tensor& gradient) {
  const at::NoGradGuard no_grad;
  const at::ScalarType wide = head.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const bool full = options.hard_top1 + options.hard_full > 0;
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
    const Chunk chunk{
        at::where(used, hidden.narrow(0, begin, count).to(wide), zero), ids.narrow(0, begin, count),
        at::where(used, targets.topk_logits.narrow(0, begin, count).to(head.device(), wide), zero),
        weight.narrow(0, begin, count), used};
    const at::Tensor slope = full ? full_logits(chunk, head, options, gradient.defined(), sums)
                                  : candidate_logits(chunk, head, options, gradient.defined(), sums);
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
