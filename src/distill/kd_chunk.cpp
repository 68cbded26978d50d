#include "src/distill/kd_chunk.hpp"

#include <cstdint>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace anemll::kd {
namespace {

/// Terms from candidate logits [C, K + R]; adds to the sums of kl and sampled_ce and returns d(weighted
/// terms)/d(logits).
at::Tensor candidate_terms(CachedDivergence divergence, const Chunk& chunk, const at::Tensor& student,
                           const KdLossOptions& options, at::Tensor& sums) {
  const std::int64_t cached = chunk.teacher.size(1);
  const double temperature = options.temperature;
  const CachedTerms terms = divergence(chunk.teacher, student.narrow(1, 0, cached), temperature);
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_(terms.slope);
  const at::Tensor weight = chunk.weight.to(at::kDouble);
  sums[0] += (terms.divergence.to(at::kDouble) * weight).sum() * (temperature * temperature);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
  return slope * chunk.weight;
}

at::Tensor with_all_logits(CachedDivergence divergence, const Chunk& chunk, const at::Tensor& head,
                           const KdLossOptions& options, bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const double hard = options.hard_top1 + options.hard_full;
  const at::Tensor logits = at::mm(chunk.hidden.to(head.scalar_type()), head.t()).to(wide);
  const at::Tensor student = logits.gather(1, chunk.ids);
  const at::Tensor slope = candidate_terms(divergence, chunk, student, options, sums);
  const at::Tensor log_q = at::log_softmax(logits, 1);
  add_to(sums[1], -log_q.gather(1, chunk.ids.narrow(1, 0, 1)), chunk);
  if (!with_gradient) return {};
  at::Tensor slopes = log_q.exp_().mul_(chunk.weight * hard);
  slopes.scatter_add_(1, chunk.ids, slope);
  slopes.scatter_add_(1, chunk.ids.narrow(1, 0, 1), chunk.weight * -hard);
  return at::mm(slopes.to(head.scalar_type()), head);
}

at::Tensor with_candidates_alone(CachedDivergence divergence, const Chunk& chunk, const at::Tensor& head,
                                 const KdLossOptions& options, bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const at::Tensor rows = candidate_rows(chunk, head);
  const at::Tensor student = at::bmm(rows, chunk.hidden.to(wide).unsqueeze(2)).squeeze(2);
  const at::Tensor slope = candidate_terms(divergence, chunk, student, options, sums);
  if (!with_gradient) return {};
  return at::bmm(slope.unsqueeze(1), rows).squeeze(1);
}

}  // namespace

at::Tensor weighted(const at::Tensor& p, const at::Tensor& gap) {
  return at::where(p == 0, at::zeros({}, p.options()), p * gap);
}

void add_to(at::Tensor sum, const at::Tensor& values, const Chunk& chunk) {
  sum += (values.to(at::kDouble) * chunk.weight.to(at::kDouble)).sum();
}

void sampled_terms(const Chunk& chunk, const at::Tensor& student, const KdLossOptions& options,
                   at::Tensor& slope, at::Tensor& sums) {
  const at::Tensor log_all = at::log_softmax(student, 1);
  add_to(sums[2], -log_all.narrow(1, 0, 1), chunk);
  slope += log_all.exp() * options.sampled_ce_weight;
  slope.narrow(1, 0, 1).sub_(options.sampled_ce_weight);
}

at::Tensor candidate_rows(const Chunk& chunk, const at::Tensor& head) {
  return head.index_select(0, chunk.ids.reshape({-1}))
      .to(chunk.teacher.scalar_type())
      .view({chunk.ids.size(0), chunk.ids.size(1), head.size(1)});
}

at::Tensor cached_chunk(CachedDivergence divergence, const Chunk& chunk, const at::Tensor& head,
                        const KdLossOptions& options, bool with_gradient, at::Tensor& sums) {
  return options.hard_top1 + options.hard_full > 0
             ? with_all_logits(divergence, chunk, head, options, with_gradient, sums)
             : with_candidates_alone(divergence, chunk, head, options, with_gradient, sums);
}

}  // namespace anemll::kd
