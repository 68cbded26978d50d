// Forward and gradient in two sweeps; candidates are few (tens), so doubles and std::exp cost nothing that
// shows.
#include "src/train/kd_token.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace anemll {
namespace {

/// log(sum(exp(scale * logits)))
double log_sum_exp(std::span<const float> logits, double scale) {
  double max = scale * double{logits[0]};
  for (const float logit : logits) max = std::max(max, scale * double{logit});
  double sum = 0;
  for (const float logit : logits) sum += std::exp(scale * double{logit} - max);
  return max + std::log(sum);
}

}  // namespace

KdTokenTerms kd_token_terms(std::span<const float> teacher, std::span<const float> student,
                            double temperature, double sampled_weight, std::span<double> gradient) {
  KdTokenTerms terms;
  const std::size_t cached = teacher.size();
  const double scale = 1.0 / temperature;
  const double teacher_norm = log_sum_exp(teacher, scale);
  const double student_norm = log_sum_exp(student.first(cached), scale);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (std::size_t k = 0; k < cached; ++k) {
    const double log_p = scale * double{teacher[k]} - teacher_norm;
    const double log_q = scale * double{student[k]} - student_norm;
    const double p = std::exp(log_p);
    // 0 log 0 is 0: a teacher logit of -inf rules a candidate out.
    if (p != 0) terms.kl += p * (log_p - log_q);
    // d/dz of T^2 * KL(z / T) is T^2 / T * (q - p).
    if (!gradient.empty()) gradient[k] = temperature * (std::exp(log_q) - p);
  }
  terms.kl *= temperature * temperature;
  if (sampled_weight > 0) {
    const double norm = log_sum_exp(student, 1.0);
    terms.sampled_ce = norm - double{student[0]};
    if (!gradient.empty()) {
      for (std::size_t k = 0; k < student.size(); ++k) {
        gradient[k] += sampled_weight * std::exp(double{student[k]} - norm);
      }
      gradient[0] -= sampled_weight;
    }
  }
  return terms;
}

}  // namespace anemll
