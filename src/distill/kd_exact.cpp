// Full-vocabulary divergence from a teacher whose head is the student's: two products forward, one backward.
// The second product is of the difference of the hidden states. The student's logits are the sum of both, and
// what the divergence depends on is never the difference of two rounded numbers.
#include "src/distill/kd_chunk.hpp"
#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/distill/objective.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/divergence_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

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

KdLossSums on_cpu(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() { return loss<T>(in, options, gradient); });
}

at::Tensor on_chunk(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                    bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const double temperature = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  const auto product = [&](const at::Tensor& rows) {
    return at::mm(rows.to(head.scalar_type()), head.t()).to(wide);
  };
  const at::Tensor teacher = product(chunk.teacher_hidden);
  const at::Tensor logits = teacher + product(chunk.hidden - chunk.teacher_hidden);
  const at::Tensor log_p = at::log_softmax(teacher / temperature, 1);
  const at::Tensor log_q = at::log_softmax(logits / temperature, 1);
  const at::Tensor p = log_p.exp();
  const at::Tensor kl = weighted(p, log_p - log_q).sum(1, true);
  add_to(sums[0], kl * (temperature * temperature), chunk);
  const at::Tensor student = logits.gather(1, chunk.ids);
  at::Tensor slope = at::zeros_like(student);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
  at::Tensor slopes = (log_q.exp() - p) * temperature;
  if (hard > 0) {
    const at::Tensor norm = at::logsumexp(logits, 1, true);
    add_to(sums[1], norm - student.narrow(1, 0, 1), chunk);
    slopes += (logits - norm).exp() * hard;
    slope.narrow(1, 0, 1).sub_(hard);
  }
  if (!with_gradient) return {};
  slopes.scatter_add_(1, chunk.ids, slope);
  return at::mm((slopes * chunk.weight).to(head.scalar_type()), head);
}

}  // namespace
}  // namespace anemll::kd

namespace anemll {

Objective exact_objective() {
  Objective row;
  row.name = "exact";
  row.help = "takes the whole vocabulary (cache with hidden states)";
  row.payloads = {Payload::hidden};
  row.all_logits = true;
  row.teacher_logits = true;
  row.check = require_shared_head;
  row.take = take_hidden;
  row.on_cpu = kd::on_cpu;
  row.on_chunk = kd::on_chunk;
  return row;
}

}  // namespace anemll
