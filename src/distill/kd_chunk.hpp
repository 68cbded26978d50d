// What the objectives share by tensor operations: a chunk of tokens, sums over it, the sampled term, and the
// whole of an objective whose divergence is of the cached ids alone.
#pragma once

#include "src/distill/kd_loss.hpp"

#include <ATen/core/Tensor.h>

namespace anemll::kd {

/// C tokens on the head's device. Rows of weight 0 hold zeros and ids that are valid. Numbers are fp32, or
/// double where the head is.
struct Chunk {
  at::Tensor hidden;          ///< [C, H]
  at::Tensor ids;             ///< [C, K + R] int64: the cached ids, then the negatives
  at::Tensor teacher;         ///< [C, K]
  at::Tensor weight;          ///< [C, 1]
  at::Tensor lse;             ///< [C, 1], of objectives with the payload lse
  at::Tensor teacher_hidden;  ///< [C, H], of objectives with the payload hidden
};

/// p * gap, where a probability of 0 adds nothing whatever the gap.
at::Tensor weighted(const at::Tensor& p, const at::Tensor& gap);

/// Adds the weighted sum of `values` [C, 1]. The sums of a chunk: 0 is kl with its T^2, 1 ce, 2 sampled_ce.
void add_to(at::Tensor sum, const at::Tensor& values, const Chunk& chunk);

/// Adds the sampled cross-entropy of `student` [C, K + R] to sums[2] and its slope, times its weight among
/// the terms, to `slope` [C, K + R].
void sampled_terms(const Chunk& chunk, const at::Tensor& student, const KdLossOptions& options,
                   at::Tensor& slope, at::Tensor& sums);

/// The head's rows of the candidates, [C, K + R, H].
at::Tensor candidate_rows(const Chunk& chunk, const at::Tensor& head);

struct CachedTerms {
  at::Tensor divergence;  ///< [C, 1], without T^2
  at::Tensor slope;       ///< [C, K]: T^2 times its derivative by the student's logits
};
/// Of teacher and student [C, K], the logits of the cached ids.
using CachedDivergence = CachedTerms (*)(const at::Tensor& teacher, const at::Tensor& student,
                                         double temperature);

at::Tensor cached_chunk(CachedDivergence divergence, const Chunk& chunk, const at::Tensor& head,
                        const KdLossOptions& options, bool with_gradient, at::Tensor& sums);

/// Objective::on_chunk of such an objective.
template <CachedDivergence divergence>
at::Tensor cached_on_chunk(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                           bool with_gradient, at::Tensor& sums) {
  return cached_chunk(divergence, chunk, head, options, with_gradient, sums);
}

}  // namespace anemll::kd
