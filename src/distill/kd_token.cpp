// Forward and gradient in two sweeps; candidates are few (tens), so doubles and std::exp cost nothing that
// shows.
#include "src/distill/kd_token.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace anemll {

double log_sum_exp(std::span<const float> logits, double scale) {
  double max = scale * double{logits[0]};
  for (const float logit : logits) max = std::max(max, scale * double{logit});
  double sum = 0;
  for (const float logit : logits) sum += std::exp(scale * double{logit} - max);
  return max + std::log(sum);
}

double log_add_exp(double a, double b) {
  const double max = std::max(a, b);
  if (max == -std::numeric_limits<double>::infinity()) return max;
  return max + std::log(std::exp(a - max) + std::exp(b - max));
}

double kd_sampled_ce(std::span<const float> student, double weight, std::span<double> gradient) {
  const double norm = log_sum_exp(student, 1.0);
  if (!gradient.empty()) {
    for (std::size_t k = 0; k < student.size(); ++k) {
      gradient[k] += weight * std::exp(double{student[k]} - norm);
    }
    gradient[0] -= weight;
  }
  return norm - double{student[0]};
}

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
  if (sampled_weight > 0) terms.sampled_ce = kd_sampled_ce(student, sampled_weight, gradient);
  return terms;
}

KdTailTerms kd_tail_terms(std::span<const float> teacher, std::span<const float> student, double temperature,
                          double teacher_lse, double student_tail, std::span<double> gradient) {
  const double scale = 1.0 / temperature;
  const double student_norm = log_add_exp(log_sum_exp(student, scale), student_tail);
  double mass = 0;
  for (const float logit : teacher) mass += std::exp(scale * double{logit} - teacher_lse);
  const bool no_tail = mass >= 1 || student_tail == -std::numeric_limits<double>::infinity();
  const double teacher_norm = no_tail ? teacher_lse + std::log(mass) : teacher_lse;
  const double p_tail = no_tail ? 0.0 : 1.0 - mass;
  const double log_q_tail = student_tail - student_norm;

  KdTailTerms terms;
  for (std::size_t k = 0; k < teacher.size(); ++k) {
    const double log_p = scale * double{teacher[k]} - teacher_norm;
    const double log_q = scale * double{student[k]} - student_norm;
    const double p = std::exp(log_p);
    if (p != 0) terms.kl += p * (log_p - log_q);
    if (!gradient.empty()) gradient[k] = temperature * (std::exp(log_q) - p);
  }
  if (p_tail != 0) terms.kl += p_tail * (std::log(p_tail) - log_q_tail);
  terms.kl *= temperature * temperature;
  terms.tail_slope = temperature * (std::exp(log_q_tail) - p_tail);
  return terms;
}

}  // namespace anemll
