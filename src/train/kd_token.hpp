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

}  // namespace anemll
