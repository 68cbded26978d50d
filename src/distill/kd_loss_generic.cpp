// The loss by tensor operations, chunked like the CPU kernels; everything stays on the device until the sums
// are read back once.
#include "anemll/core/error.hpp"
#include "src/distill/kd_loss.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
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
#include <ATen/ops/logaddexp.h>
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
  at::Tensor hidden;          // [C, H], zeros where the weight is 0
  at::Tensor ids;             // [C, K + R] int64, valid
  at::Tensor teacher;         // [C, K]
  at::Tensor weight;          // [C, 1]
  at::Tensor lse;             // [C, 1], of topk_tail
  at::Tensor teacher_hidden;  // [C, H], of exact
};

/// p * gap, where a probability of 0 adds nothing whatever the gap.
at::Tensor weighted(const at::Tensor& p, const at::Tensor& gap) {
  return at::where(p == 0, at::zeros({}, p.options()), p * gap);
}

void add_to(at::Tensor sum, const at::Tensor& values, const Chunk& chunk) {
  sum += (values.to(at::kDouble) * chunk.weight.to(at::kDouble)).sum();
}

/// Adds the sampled cross-entropy to sums[2] and its weighted slope to `slope` [C, K + R].
void sampled_terms(const Chunk& chunk, const at::Tensor& student, const KdLossOptions& options,
                   at::Tensor& slope, at::Tensor& sums) {
  const at::Tensor log_all = at::log_softmax(student, 1);
  add_to(sums[2], -log_all.narrow(1, 0, 1), chunk);
  slope += log_all.exp() * options.sampled_ce_weight;
  slope.narrow(1, 0, 1).sub_(options.sampled_ce_weight);
}

/// Terms from candidate logits [C, K + R]; adds to sums [3] (kl, ce, sampled) and returns d(weighted
/// terms)/d(logits).
at::Tensor candidate_terms(const Chunk& chunk, const at::Tensor& student, const KdLossOptions& options,
                           at::Tensor& sums) {
  const std::int64_t cached = chunk.teacher.size(1);
  const double temperature = options.temperature;
  const at::Tensor log_p = at::log_softmax(chunk.teacher / temperature, 1);
  const at::Tensor log_q = at::log_softmax(student.narrow(1, 0, cached) / temperature, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor terms = weighted(p, log_p - log_q);
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_((log_q.exp() - p) * temperature);
  const at::Tensor weight = chunk.weight.to(at::kDouble);
  sums[0] += (terms.sum(1, true).to(at::kDouble) * weight).sum() * (temperature * temperature);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
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

/// The head's rows of the candidates, [C, K + R, H].
at::Tensor candidate_rows(const Chunk& chunk, const at::Tensor& head) {
  return head.index_select(0, chunk.ids.reshape({-1}))
      .to(chunk.teacher.scalar_type())
      .view({chunk.ids.size(0), chunk.ids.size(1), head.size(1)});
}

at::Tensor candidate_logits(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                            bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const at::Tensor rows = candidate_rows(chunk, head);
  const at::Tensor student = at::bmm(rows, chunk.hidden.to(wide).unsqueeze(2)).squeeze(2);
  const at::Tensor slope = candidate_terms(chunk, student, options, sums);
  if (!with_gradient) return {};
  return at::bmm(slope.unsqueeze(1), rows).squeeze(1);
}

at::Tensor topk_tail(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                     bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const std::int64_t cached = chunk.teacher.size(1);
  const double temperature = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  const double nothing = -std::numeric_limits<double>::infinity();
  const at::Tensor logits = at::mm(chunk.hidden.to(head.scalar_type()), head.t()).to(wide);
  const at::Tensor student = head.scalar_type() == wide
                                 ? logits.gather(1, chunk.ids)
                                 : at::bmm(candidate_rows(chunk, head), chunk.hidden.unsqueeze(2)).squeeze(2);
  const at::Tensor top = student.narrow(1, 0, cached);
  const at::Tensor tail = logits.scatter(1, chunk.ids.narrow(1, 0, cached), nothing);
  const at::Tensor tail_lse = at::logsumexp(tail / temperature, 1, true);
  const at::Tensor lse = at::logaddexp(tail_lse, at::logsumexp(top / temperature, 1, true));

  const at::Tensor raw = (chunk.teacher / temperature - chunk.lse).exp();
  const at::Tensor mass = raw.sum(1, true);
  const at::Tensor no_tail = (mass >= 1) | (tail_lse == nothing);
  const at::Tensor p = at::where(no_tail, raw / mass, raw);
  const at::Tensor p_tail = at::where(no_tail, at::zeros({}, mass.options()), 1 - mass);
  const at::Tensor log_q = top / temperature - lse;
  const at::Tensor log_q_tail = tail_lse - lse;
  const at::Tensor kl =
      weighted(p, p.log() - log_q).sum(1, true) + weighted(p_tail, p_tail.log() - log_q_tail);
  add_to(sums[0], kl * (temperature * temperature), chunk);
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_((log_q.exp() - p) * temperature);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
  at::Tensor norm;
  if (hard > 0) {
    norm = at::logaddexp(at::logsumexp(tail, 1, true), at::logsumexp(top, 1, true));
    add_to(sums[1], norm - student.narrow(1, 0, 1), chunk);
  }
  if (!with_gradient) return {};
  // Blanked entries are 0 here; with no tail at all every entry is, whatever it is measured against.
  const at::Tensor against = at::where(tail_lse == nothing, at::zeros({}, tail_lse.options()), tail_lse);
  at::Tensor slopes = (tail / temperature - against).exp() * ((log_q_tail.exp() - p_tail) * temperature);
  if (hard > 0) {
    slopes += (tail - norm).exp() * hard;
    slope.narrow(1, 0, cached).add_((top - norm).exp() * hard);
    slope.narrow(1, 0, 1).sub_(hard);
  }
  slopes.scatter_add_(1, chunk.ids, slope);
  return at::mm((slopes * chunk.weight).to(head.scalar_type()), head);
}

at::Tensor exact(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options, bool with_gradient,
                 at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const double temperature = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  const auto product = [&](const at::Tensor& rows) {
    return at::mm(rows.to(head.scalar_type()), head.t()).to(wide);
  };
  const at::Tensor teacher = product(chunk.teacher_hidden);
  const at::Tensor logits = teacher + product(chunk.hidden - chunk.teacher_hidden);
  const at::Tensor log_p = at::log_softmax(teacher / temperature, 1);
  const at::Tensor log_q = at::log_softmax(logits / temperature, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor kl = weighted(p, log_p - log_q).sum(1, true);
  add_to(sums[0], kl * (temperature * temperature), chunk);
  const at::Tensor student = logits.gather(1, chunk.ids);
  at::Tensor slope = at::zeros_like(student);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
  at::Tensor slopes = (log_q.exp() - p) * temperature;
  if (hard > 0) {
    const at::Tensor norm = at::logsumexp(logits, 1, true);
    add_to(sums[1], norm - student.narrow(1, 0, 1), chunk);
    slopes += (logits - norm).exp() * hard;
    slope.narrow(1, 0, 1).sub_(hard);
  }
  if (!with_gradient) return {};
  slopes.scatter_add_(1, chunk.ids, slope);
  return at::mm((slopes * chunk.weight).to(head.scalar_type()), head);
}

at::Tensor objective(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                     bool with_gradient, at::Tensor& sums) {
  switch (options.objective) {
    case KdObjective::topk_tail:
      return topk_tail(chunk, head, options, with_gradient, sums);
    case KdObjective::exact:
      return exact(chunk, head, options, with_gradient, sums);
    case KdObjective::topk:
      break;
  }
  return options.hard_top1 + options.hard_full > 0
             ? full_logits(chunk, head, options, with_gradient, sums)
             : candidate_logits(chunk, head, options, with_gradient, sums);
}

}  // namespace

KdLossSums kd_loss_generic(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                           const KdLossOptions& options, const at::Tensor& gradient) {
  const at::NoGradGuard no_grad;
  const at::ScalarType wide = head.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const bool full = options.hard_top1 + options.hard_full > 0 || options.objective != KdObjective::topk;
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
    Chunk chunk{cut(hidden),
                ids.narrow(0, begin, count),
                cut(targets.topk_logits),
                weight.narrow(0, begin, count),
                {},
                {}};
    if (options.objective == KdObjective::topk_tail) chunk.lse = cut(targets.teacher_lse.unsqueeze(1));
    if (options.objective == KdObjective::exact) chunk.teacher_hidden = cut(targets.teacher_hidden);
    const at::Tensor slope = objective(chunk, head, options, gradient.defined(), sums);
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
