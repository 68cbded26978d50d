// How far a student's next-token distributions are from a teacher's, position by position: full vocabulary,
// T = 1, fp32 logits, whatever precision the models computed their hidden states in.
#pragma once

#include "anemll/comm/communicator.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anemll {

/// Where a model's logits come from: hidden times the head.
struct HeadStates {
  at::Tensor hidden;  ///< [N, H], any floating type: output of the final norm
  at::Tensor head;    ///< [V, H], any floating type; one that is not fp32 is widened for the call
};

struct PositionScore {
  double kl = 0;         ///< KL(teacher || student) in nats
  double same_top1 = 0;  ///< 1 when both prefer the same token (of equal logits the lower id counts)
  double teacher_nll = 0, student_nll = 0;  ///< of the next token, when there is one
  double counted = 0;    ///< 1 for a position that was scored; others do not enter a summary
  double same_top5 = 0;  ///< 1 when the teacher's choice is among the student's five likeliest
};

/// Scores N positions into `out`. The models may differ in everything but the meaning of ids; where one
/// head has more rows than the other, both are compared over the ids that both have. `next` [N] int64: the
/// tokens that came, or undefined. [N, V] never exists as a whole. Usage errors for shapes that do not
/// fit.
void score_positions(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next,
                     std::span<PositionScore> out);

/// The same by tensor operations, for devices other than the CPU. score_positions picks it; public for
/// comparison.
void score_positions_generic(const HeadStates& teacher, const HeadStates& student, const at::Tensor& next,
                             std::span<PositionScore> out);

/// The likelihoods of the tokens that came, without a teacher: of `out` only student_nll and counted are not
/// 0. `next` as above, not undefined.
void score_likelihoods(const HeadStates& model, const at::Tensor& next, std::span<PositionScore> out);

/// Fills in what other ranks have scored: every slot was scored by one rank at most. Collective.
void share_scores(std::span<PositionScore> scores, Communicator& comm);

struct DivergenceSummary {
  double mean = 0, median = 0, p99 = 0;  ///< of the divergence; NaN when one is not finite
  double top1 = 0;                       ///< share of positions with the same first choice
  std::int64_t positions = 0;
  double teacher_nll = 0, student_nll = 0;  ///< means; 0 without next tokens
  double p90 = 0, p999 = 0;                 ///< more quantiles of the divergence
  double top5 = 0;  ///< share with the teacher's choice among the student's first five
};

/// Quantiles are interpolated between neighbours. No position, no numbers: all are NaN then.
DivergenceSummary summarise(std::span<const PositionScore> scores);

}  // namespace anemll
