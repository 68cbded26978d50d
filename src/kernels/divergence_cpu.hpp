// Loops over two rows of head logits at once, a teacher's and a student's: the inner part of full-vocabulary
// divergences on CPUs. No threads, no allocation. Every reduction has a fixed lane layout, so a result
// depends on its input alone.
#pragma once

#include "src/kernels/simd.hpp"

#include <span>

namespace anemll::kernels {

/// With s = scale, t the teacher's logits and z the student's. NaN or +inf in a row makes its sums NaN.
struct PairStats {
  float teacher_max = 0, student_max = 0;
  double teacher_sum = 0;  ///< sum exp(s (t - teacher_max))
  double student_sum = 0;  ///< sum exp(s (z - student_max))
  double plain_sum = 0;    ///< sum exp(z - student_max); 0 unless asked for
  /// sum exp(s (t - teacher_max)) s ((t - teacher_max) - (z - student_max)): without the rows' offset, to
  /// which softmax is blind
  double gap = 0;

  /// KL(softmax(s t) || softmax(s z)).
  double divergence() const;
};

/// The student's row is given by its difference z - t: with bfloat16 storage that keeps the divergence of two
/// close rows, which the rounding of the logits themselves would drown.
PairStats pair_stats(std::span<const float> teacher, std::span<const float> difference, float scale,
                     bool plain);
PairStats pair_stats(std::span<const Bf16> teacher, std::span<const Bf16> difference, float scale,
                     bool plain);

/// difference[i] = soft * (softmax(s z)[i] - softmax(s t)[i]) + hard * softmax(z)[i], rounded once. `stats`
/// are those of the same rows, with the plain sum when hard is not 0.
void pair_slopes_in_place(std::span<const float> teacher, std::span<float> difference, const PairStats& stats,
                          float scale, float soft, float hard);
void pair_slopes_in_place(std::span<const Bf16> teacher, std::span<Bf16> difference, const PairStats& stats,
                          float scale, float soft, float hard);

/// row[i] -= other[i]
void subtract_in_place(std::span<float> row, std::span<const float> other);

}  // namespace anemll::kernels
