// True probabilities on the cached ids and one bucket for everything else. The student's tail is summed over
// the ids outside K with the cached ones blanked out, not taken as 1 - q(K): that keeps it exact when it is
// tiny.
#include "src/distill/kd_chunk.hpp"
#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/distill/objective.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/head_loss_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

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

KdLossSums on_cpu(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() { return loss<T>(in, options, gradient); });
}

at::Tensor on_chunk(const Chunk& chunk, const at::Tensor& head, const KdLossOptions& options,
                    bool with_gradient, at::Tensor& sums) {
  const at::ScalarType wide = chunk.teacher.scalar_type();
  const std::int64_t cached = chunk.teacher.size(1);
  const double temperature = options.temperature;
  const double hard = options.hard_top1 + options.hard_full;
  const at::Tensor logits = at::mm(chunk.hidden.to(head.scalar_type()), head.t()).to(wide);
  const at::Tensor student = head.scalar_type() == wide
                                 ? logits.gather(1, chunk.ids)
                                 : at::bmm(candidate_rows(chunk, head), chunk.hidden.unsqueeze(2)).squeeze(2);
  const at::Tensor top = student.narrow(1, 0, cached);
  const at::Tensor tail = logits.scatter(1, chunk.ids.narrow(1, 0, cached), kNothing);
  const at::Tensor tail_lse = at::logsumexp(tail / temperature, 1, true);
  const at::Tensor lse = at::logaddexp(tail_lse, at::logsumexp(top / temperature, 1, true));

  const at::Tensor raw = (chunk.teacher / temperature - chunk.lse).exp();
  const at::Tensor mass = raw.sum(1, true);
  const at::Tensor no_tail = (mass >= 1) | (tail_lse == kNothing);
  const at::Tensor p = at::where(no_tail, raw / mass, raw);
  const at::Tensor p_tail = at::where(no_tail, at::zeros({}, mass.options()), 1 - mass);
  const at::Tensor log_q = top / temperature - lse;
  const at::Tensor log_q_tail = tail_lse - lse;
  const at::Tensor kl =
      weighted(p, p.log() - log_q).sum(1, true) + weighted(p_tail, p_tail.log() - log_q_tail);
  add_to(sums[0], kl * (temperature * temperature), chunk);
  at::Tensor slope = at::zeros_like(student);
  slope.narrow(1, 0, cached).copy_((log_q.exp() - p) * temperature);
  if (options.sampled_ce_weight > 0) sampled_terms(chunk, student, options, slope, sums);
  at::Tensor norm;
  if (hard > 0) {
    norm = at::logaddexp(at::logsumexp(tail, 1, true), at::logsumexp(top, 1, true));
    add_to(sums[1], norm - student.narrow(1, 0, 1), chunk);
  }
  if (!with_gradient) return {};
  // Blanked entries are 0 here; with no tail at all every entry is, whatever it is measured against.
  const at::Tensor against = at::where(tail_lse == kNothing, at::zeros({}, tail_lse.options()), tail_lse);
  at::Tensor slopes = (tail / temperature - against).exp() * ((log_q_tail.exp() - p_tail) * temperature);
  if (hard > 0) {
    slopes += (tail - norm).exp() * hard;
    slope.narrow(1, 0, cached).add_((top - norm).exp() * hard);
    slope.narrow(1, 0, 1).sub_(hard);
  }
  slopes.scatter_add_(1, chunk.ids, slope);
  return at::mm((slopes * chunk.weight).to(head.scalar_type()), head);
}

}  // namespace
}  // namespace anemll::kd

namespace anemll {

Objective topk_tail_objective() {
  Objective row;
  row.name = "topk-tail";
  row.help = "takes true probabilities and one bucket for all other ids (cache with lse)";
  row.payloads = {Payload::topk, Payload::lse};
  row.all_logits = true;
  row.check = require_lse;
  row.take = take_lse;
  row.on_cpu = kd::on_cpu;
  row.on_chunk = kd::on_chunk;
  return row;
}

}  // namespace anemll
