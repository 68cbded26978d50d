// The whole CPU path of an objective whose divergence is of the cached ids alone: given the terms of one
// token, with all logits where there are hard weights, and with those of the candidates alone where not.
#pragma once

#include "src/distill/kd_rows.hpp"
#include "src/distill/kd_token.hpp"
#include "src/kernels/dispatch.hpp"
#include "src/kernels/head_loss_cpu.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include <ATen/core/Tensor.h>

namespace anemll::kd {

/// As kd_token_terms, which is one. A template argument, so that the loop over tokens calls it directly.
using TokenTerms = KdTokenTerms (*)(std::span<const float> teacher, std::span<const float> student,
                                    double temperature, double sampled_weight, std::span<double> gradient);

/// The full row of logits becomes the token's terms and, in place, the gradient of the logits.
template <class T, TokenTerms terms_of>
void cached_row(std::span<T> logits, const CpuInputs& in, std::size_t row, const KdLossOptions& options,
                bool with_gradient, TokenValues& values, Scratch& scratch) {
  const float weight = in.weight_of(row);
  if (weight == 0) {
    std::fill(logits.begin(), logits.end(), T{});
    return;
  }
  in.candidates(row, scratch.ids);
  for (std::size_t c = 0; c < scratch.ids.size(); ++c)
    scratch.student[c] = kernels::load(logits[scratch.ids[c]]);
  const KdTokenTerms terms = terms_of(in.teacher(row), scratch.student, options.temperature,
                                      options.sampled_ce_weight, scratch.slope);
  const kernels::SoftmaxStats stats = kernels::softmax_stats(std::span<const T>(logits));
  values.kl[row] = terms.kl;
  values.sampled_ce[row] = terms.sampled_ce;
  values.ce[row] = double{stats.max} + std::log(stats.sum) - double{scratch.student[0]};
  if (!with_gradient) return;

  const double hard = options.hard_top1 + options.hard_full;
  scratch.merge(weight, [&](std::size_t id, std::size_t) {
    const double slope = hard * std::exp(double{kernels::load(logits[id])} - double{stats.max}) / stats.sum;
    return id == scratch.ids[0] ? slope - hard : slope;
  });
  kernels::scaled_exp_in_place(logits, stats.max, static_cast<float>(double{weight} * hard / stats.sum));
  for (const auto& [id, value] : scratch.entries) kernels::store(logits[id], value);
}

/// Without hard weights: dot products with the candidates' head rows, and their weighted sum as the gradient.
template <class T, TokenTerms terms_of>
KdLossSums cached_candidates(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  TokenValues values(in.tokens);
  float* out = gradient.defined() ? gradient.mutable_data_ptr<float>() : nullptr;
  for_rows(in.tokens, in, out != nullptr, [&](std::size_t row, Scratch& scratch) {
    const std::span<float> target =
        out != nullptr ? std::span<float>(out + row * in.width, in.width) : std::span<float>();
    std::fill(target.begin(), target.end(), 0.0F);
    const float weight = in.weight_of(row);
    if (weight == 0) return;
    in.candidates(row, scratch.ids);
    const std::span<const float> state = in.hidden_row(row);
    for (std::size_t c = 0; c < scratch.ids.size(); ++c) {
      scratch.student[c] = kernels::dot(state, in.head_row<T>(scratch.ids[c]));
    }
    const KdTokenTerms terms = terms_of(in.teacher(row), scratch.student, options.temperature,
                                        options.sampled_ce_weight, scratch.slope);
    values.kl[row] = terms.kl;
    values.sampled_ce[row] = terms.sampled_ce;
    for (std::size_t c = 0; c < scratch.slope.size(); ++c) {
      kernels::add_scaled(target, static_cast<float>(double{weight} * scratch.slope[c]),
                          in.head_row<T>(scratch.ids[c]));
    }
  });
  return values.sum(in, options);
}

/// Objective::on_cpu of such an objective.
template <TokenTerms terms_of>
KdLossSums cached_on_cpu(const CpuInputs& in, const KdLossOptions& options, const at::Tensor& gradient) {
  return kernels::dispatch(in.head.scalar_type(), [&]<class T>() {
    if (options.hard_top1 + options.hard_full <= 0)
      return cached_candidates<T, terms_of>(in, options, gradient);
    return over_all_logits<T>(
        in, options, gradient,
        [&](std::span<T> logits, std::size_t row, TokenValues& values, Scratch& scratch) {
          cached_row<T, terms_of>(logits, in, row, options, gradient.defined(), values, scratch);
        });
  });
}

}  // namespace anemll::kd
