// Full-vocabulary divergence from a teacher whose head is the student's: two products forward, one backward.
// The second product is of the difference of the hidden states. The student's logits are the sum of both, and
// what the divergence depends on is never the difference of two rounded numbers.
#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/divergence_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace anemll::kd {
namespace {

/// `difference` becomes the gradient of the student's logits.
template <class T>
void exact_row(std::span<const T> teacher, std::span<T> difference, const CpuInputs& in, std::size_t row,
               const KdLossOptions& options, bool with_gradient, TokenValues& values, Scratch& scratch) {
  const float weight = in.weight_of(row);
  if (weight == 0) {
    std::fill(difference.begin(), difference.end(), T{});
    return;
  }
  const auto scale = static_cast<float>(1.0 / options.temperature);
  const double hard = options.hard_top1 + options.hard_full;
  const double soft = options.temperature;  // T^2 / T
  const kernels::PairStats stats = kernels::pair_stats(teacher, difference, scale, hard > 0);
  values.kl[row] = options.temperature * options.temperature * stats.divergence();
  if (hard == 0 && options.sampled_ce_weight == 0) {
    if (with_gradient)
      kernels::pair_slopes_in_place(teacher, difference, stats, scale,
                                    static_cast<float>(double{weight} * soft), 0);
    return;
  }

  in.candidates(row, scratch.ids);
  for (std::size_t c = 0; c < scratch.ids.size(); ++c) {
    const std::size_t id = scratch.ids[c];
    scratch.student[c] = kernels::load(teacher[id]) + kernels::load(difference[id]);
  }
  std::fill(scratch.slope.begin(), scratch.slope.end(), 0.0);
  if (hard > 0)
    values.ce[row] = double{stats.student_max} + std::log(stats.plain_sum) - double{scratch.student[0]};
  if (options.sampled_ce_weight > 0)
    values.sampled_ce[row] = kd_sampled_ce(scratch.student, options.sampled_ce_weight, scratch.slope);
  if (!with_gradient) return;

  // Candidates that no other term touches get the very value of the loop below.
  scratch.merge(weight, [&](std::size_t id, std::size_t position) {
    const double t = double{kernels::load(teacher[id])} - double{stats.teacher_max};
    const double z = double{scratch.student[position]} - double{stats.student_max};
    double slope = soft * (std::exp(double{scale} * z) / stats.student_sum -
                           std::exp(double{scale} * t) / stats.teacher_sum);
    if (hard > 0) slope += hard * std::exp(z) / stats.plain_sum;
    return id == scratch.ids[0] ? slope - hard : slope;
  });
  kernels::pair_slopes_in_place(teacher, difference, stats, scale, static_cast<float>(double{weight} * soft),
                                static_cast<float>(double{weight} * hard));
  for (const auto& [id, value] : scratch.entries) kernels::store(difference[id], value);
}

template <class T>
KdLossSums loss(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  TokenValues values(in.tokens);
  const std::int64_t chunk = std::min(options.chunk_tokens, in.hidden.size(0));
  HeadProduct teacher_product(in, chunk, false);
  HeadProduct product(in, chunk, gradient.defined());
  for_chunks(in, options, [&](std::int64_t begin, std::int64_t count) {
    const at::Tensor reference = in.teacher_hidden.narrow(0, begin, count);
    const at::Tensor teacher = teacher_product.logits(reference);
    const at::Tensor difference = product.logits(in.hidden.narrow(0, begin, count).sub(reference));
    for_rows(static_cast<std::size_t>(count), in, gradient.defined(), [&](std::size_t r, Scratch& scratch) {
      exact_row<T>(row_of<T>(teacher, r), row_of<T>(difference, r), in, static_cast<std::size_t>(begin) + r,
                   options, gradient.defined(), values, scratch);
    });
    if (gradient.defined()) product.backward(difference, gradient.narrow(0, begin, count));
  });
  return values.sum(in, options);
}

}  // namespace

KdLossSums exact(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() { return loss<T>(in, options, gradient); });
}

}  // namespace anemll::kd
