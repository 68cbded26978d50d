// The distillation terms of one token from its candidate logits, and their gradient. Plain doubles, no
// tensors: what the CPU paths of the loss share.
#pragma once

#include <cstddef>
#include <span>

namespace anemll {

struct KdTokenTerms {
  double kl = 0;          ///< T^2 * sum_k p (log p - log q) over the cached candidates
  double sampled_ce = 0;  ///< cross-entropy of candidate 0 against all candidates
};

/// `teacher` [K]: the cached logits. `student` [K] or [K + R]: logits of the cached candidates, then of the
/// negatives. sampled_ce is computed when sampled_weight > 0. gradient [student.size()] receives d(kl +
/// sampled_weight * sampled_ce) / d(student); it may be empty.
KdTokenTerms kd_token_terms(std::span<const float> teacher, std::span<const float> student,
                            double temperature, double sampled_weight, std::span<double> gradient);

/// The sampled term alone: cross-entropy of candidate 0 against all of `student`; its weighted gradient is
/// added.
double kd_sampled_ce(std::span<const float> student, double weight, std::span<double> gradient);

struct KdTailTerms {
  double kl = 0;  ///< T^2 * KL over the K cached ids and one bucket of all others
  /// d(kl)/d(z_j) of an id outside K is slope * exp(z_j / T - student_tail).
  double tail_slope = 0;
};

/// `teacher`, `student` [K]: logits of the cached ids. `teacher_lse`: log-sum-exp of all teacher logits over
/// T. `student_tail`: log-sum-exp of the student's logits over T outside K, -inf when there are none.
/// `gradient` [K] receives d(kl)/d(student); it may be empty.
KdTailTerms kd_tail_terms(std::span<const float> teacher, std::span<const float> student, double temperature,
                          double teacher_lse, double student_tail, std::span<double> gradient);

/// log(exp(a) + exp(b)); -inf adds nothing.
double log_add_exp(double a, double b);

/// log(sum(exp(scale * logits)))
double log_sum_exp(std::span<const float> logits, double scale);

}  // namespace anemll
