// The knowledge-distillation loss with the head fused in: [tokens, vocab] never exists as a whole. Logits
// are made in chunks of tokens, turned into loss terms and into the gradient of the hidden states at once.
// Safe to call from several threads at once; uses the calling thread's share of the intra-op pool.
#pragma once

#include "anemll/distill/kd_objective.hpp"

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace anemll {

struct KdLossOptions {
  KdObjective objective;
  double temperature = 2.0;
  double hard_top1 = 0.0;  ///< weights the cross-entropy to topk_idx[:, 0]
  double hard_full = 0.0;  ///< weights the same term again, as the reference does; the sum counts
  double sampled_ce_weight = 0.0;
  /// Rows of the one [chunk, vocab] buffer (plus fp32 copies of it on other devices). The GEMMs choose it:
  /// with a head of 49152 x 576 in bf16, 504 tokens take 448 ms of processor time in chunks of 64, 365 of
  /// 126, 339 of 252.
  std::int64_t chunk_tokens = 256;
};

struct KdTargets {
  at::Tensor topk_idx;     ///< [N, K] int32, best candidate first
  at::Tensor topk_logits;  ///< [N, K] half (any floating type is taken)
  at::Tensor negatives;    ///< [N, R] int32 or undefined; needed when sampled_ce_weight > 0
  /// [N] log-sum-exp of all teacher logits over the temperature; needed by objectives with the payload lse,
  /// else not read.
  at::Tensor teacher_lse;
  /// [N, H] the teacher's final hidden states, any floating type; needed by objectives with the payload
  /// hidden, else not read.
  at::Tensor teacher_hidden;
  at::Tensor weight;  ///< [N] fp32: 1 counts, 0 does not (padding; ids and hidden of such rows are not read)
};

/// Sums over tokens (divide by `tokens` for means), accumulated in double in token order. NaN or infinite
/// logits make them non-finite; what to do then is the caller's decision.
struct KdLossSums {
  double total = 0;       ///< kl + (hard_top1 + hard_full) * ce + sampled_ce_weight * sampled_ce
  double kl = 0;          ///< T^2 times the objective's divergence
  double ce = 0;          ///< full-vocabulary cross-entropy; 0 when both hard weights are 0 (not computed)
  double sampled_ce = 0;  ///< cross-entropy of candidate 0 among [K cached, R negatives]
  double tokens = 0;      ///< sum of weights
};

/// hidden [N, H] fp32 (final norm output of supervised positions), head [V, H] in the compute dtype (fp32 or
/// bf16). With `gradient` defined ([N, H] fp32 contiguous, overwritten) it receives d(total sum)/d(hidden);
/// rows of weight 0 get zeros. No autograd is involved. Logits are GEMMs in the compute dtype, with three
/// exceptions that matter in bf16: topk without hard weights computes the candidates' logits alone, from the
/// fp32 hidden states and summed in fp32 whatever the head's dtype; topk_tail takes the candidates' logits
/// the same way and the GEMM's for the rest; exact multiplies the head by the teacher's hidden states and by
/// the *difference* of the two, so that its divergence is as accurate as the difference is. The teacher's
/// tail mass of topk_tail is 1 - sum p; half logits are off by 2^-11 of themselves, so the sum may pass 1:
/// then (and when K is the whole vocabulary) the tail is empty and p is divided by its sum. Throws a data
/// error for ids outside the vocabulary, a usage error for options or shapes that make no sense.
KdLossSums kd_loss(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                   const KdLossOptions& options, const at::Tensor& gradient);

/// The same by plain tensor operations: for devices other than the CPU and dtypes without a kernel (double).
/// kd_loss picks it where needed; it is public for comparison.
KdLossSums kd_loss_generic(const at::Tensor& hidden, const at::Tensor& head, const KdTargets& targets,
                           const KdLossOptions& options, const at::Tensor& gradient);

}  // namespace anemll
