// True probabilities on the cached ids and one bucket for everything else. The student's tail is summed over
// the ids outside K with the cached ones blanked out, not taken as 1 - q(K): that keeps it exact when it is
// tiny.
#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/head_loss_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

namespace anemll::kd {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

/// Candidates' logits: GEMMs round them to bf16, which a divergence would feel, so those are computed again.
template <class T>
void candidate_logits(const CpuInputs& in, std::size_t row, std::span<const T> logits, Scratch& scratch) {
  for (std::size_t c = 0; c < scratch.ids.size(); ++c) {
    if constexpr (std::is_same_v<T, float>) {
      scratch.student[c] = logits[scratch.ids[c]];
    } else {
      scratch.student[c] = kernels::dot(in.hidden_row(row), in.head_row<T>(scratch.ids[c]));
    }
  }
}

template <class T>
void tail_row(std::span<T> logits, const CpuInputs& in, std::size_t row, const KdLossOptions& options,
              bool with_gradient, TokenValues& values, Scratch& scratch) {
  const float weight = in.weight_of(row);
  if (weight == 0) {
    std::fill(logits.begin(), logits.end(), T{});
    return;
  }
  in.candidates(row, scratch.ids);
  candidate_logits<T>(in, row, logits, scratch);
  const std::span<const float> student = std::span<const float>(scratch.student).first(in.cached);
  for (std::size_t k = 0; k < in.cached; ++k)
    kernels::store(logits[scratch.ids[k]], -std::numeric_limits<float>::infinity());

  const auto scale = static_cast<float>(1.0 / options.temperature);
  const double hard = options.hard_top1 + options.hard_full;
  const bool has_tail = in.cached < in.vocab;
  const float max = kernels::row_max(std::span<const T>(logits));
  const auto tail_sum = [&](float s) { return kernels::exp_sum(std::span<const T>(logits), max, s); };
  const double soft_sum = has_tail ? tail_sum(scale) : 0;
  const double soft_tail = has_tail ? double{scale} * double{max} + std::log(soft_sum) : kNothing;
  const std::span<double> cached_slope =
      with_gradient ? std::span<double>(scratch.slope).first(in.cached) : std::span<double>();
  std::fill(scratch.slope.begin(), scratch.slope.end(), 0.0);
  const KdTailTerms terms = kd_tail_terms(in.teacher(row), student, options.temperature,
                                          double{in.teacher_lse(row)}, soft_tail, cached_slope);
  values.kl[row] = terms.kl;
  if (options.sampled_ce_weight > 0)
    values.sampled_ce[row] = kd_sampled_ce(scratch.student, options.sampled_ce_weight, scratch.slope);
  double norm = 0;  // log-sum-exp at T = 1
  if (hard > 0) {
    const double plain_tail = has_tail ? double{max} + std::log(tail_sum(1.0F)) : kNothing;
    norm = log_add_exp(log_sum_exp(student, 1.0), plain_tail);
    values.ce[row] = norm - double{student[0]};
  }
  if (!with_gradient) return;

  scratch.merge(weight, [&](std::size_t id, std::size_t position) {
    const double z = scratch.student[position];
    double slope = hard > 0 ? hard * std::exp(z - norm) : 0.0;
    if (id == scratch.ids[0]) slope -= hard;
    if (position >= in.cached) slope += terms.tail_slope * std::exp(double{scale} * z - soft_tail);
    return slope;
  });
  if (has_tail) {
    kernels::mixed_exp_in_place(
        logits, max, scale, static_cast<float>(double{weight} * terms.tail_slope / soft_sum),
        hard > 0 ? static_cast<float>(double{weight} * hard * std::exp(double{max} - norm)) : 0.0F);
  }
  for (const auto& [id, value] : scratch.entries) kernels::store(logits[id], value);
}

template <class T>
KdLossSums loss(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return over_all_logits<T>(in, options, gradient,
                            [&](std::span<T> logits, std::size_t row, TokenValues& values, Scratch& scratch) {
                              tail_row<T>(logits, in, row, options, gradient.defined(), values, scratch);
                            });
}

}  // namespace

KdLossSums topk_tail(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() { return loss<T>(in, options, gradient); });
}

}  // namespace anemll::kd
