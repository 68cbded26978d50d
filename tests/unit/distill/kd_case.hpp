// A random distillation problem and its loss by an independent route: ATen's log_softmax, kl_div and
// cross_entropy_loss in double, differentiated by autograd. Shared by the tests and the bench of the fused
// loss.
#pragma once

#include "src/distill/kd_loss.hpp"

#include <cmath>
#include <cstdint>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scatter.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

namespace anemll::test {

struct KdShape {
  std::int64_t tokens = 13, vocab = 101, hidden = 24, cached = 8, negatives = 6;
  double logit_scale = 3;  ///< standard deviation of the student's logits
};

struct KdCase {
  at::Tensor hidden, head;
  KdTargets targets;
};

inline at::Tensor random_normal(at::IntArrayRef sizes, double deviation, std::mt19937& engine) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  std::normal_distribution<float> normal(0, static_cast<float>(deviation));
  float* data = out.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i) data[i] = normal(engine);
  return out;
}

inline at::Tensor random_ids(at::IntArrayRef sizes, std::int64_t vocab, std::mt19937& engine) {
  at::Tensor out = at::empty(sizes, at::kInt);
  std::uniform_int_distribution<std::int32_t> uniform(0, static_cast<std::int32_t>(vocab - 1));
  std::int32_t* data = out.mutable_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < out.numel(); ++i) data[i] = uniform(engine);
  return out;
}

/// Cached ids are distinct and spread over the vocabulary, as a top-k is; negatives collide with them and
/// each other.
inline KdCase make_kd_case(const KdShape& shape, unsigned seed = 7) {
  std::mt19937 engine(seed);
  KdCase made;
  made.hidden = random_normal({shape.tokens, shape.hidden}, 1.0, engine);
  made.head = random_normal({shape.vocab, shape.hidden},
                            shape.logit_scale / std::sqrt(static_cast<double>(shape.hidden)), engine);
  const at::Tensor first = random_ids({shape.tokens, 1}, shape.vocab, engine);
  const std::int64_t stride = shape.vocab / shape.cached;
  made.targets.topk_idx = ((first + at::arange(shape.cached, at::kInt) * stride).remainder(shape.vocab))
                              .to(at::kInt)
                              .contiguous();
  const at::Tensor teacher = random_normal({shape.tokens, shape.cached}, 3.0, engine);
  made.targets.topk_logits = std::get<0>(teacher.sort(1, true)).to(at::kHalf);
  made.targets.negatives = random_ids({shape.tokens, shape.negatives}, shape.vocab, engine);
  made.targets.weight = at::ones({shape.tokens}, at::kFloat);
  return made;
}

/// Every combination of terms that an objective can have.
inline std::vector<KdLossOptions> all_terms(KdObjective objective) {
  std::vector<KdLossOptions> out;
  const auto add = [&](double top1, double full, double sampled, double temperature) {
    KdLossOptions options;
    options.objective = objective;
    options.temperature = temperature;
    options.hard_top1 = top1;
    options.hard_full = full;
    options.sampled_ce_weight = sampled;
    options.chunk_tokens = 5;
    out.push_back(options);
  };
  add(0, 0, 0, 2);
  add(0, 0, 0, 1);
  add(0.2, 5e-5, 0, 2);
  add(0, 5e-4, 0, 1);
  add(0, 0, 0.3, 2);
  add(0.2, 5e-5, 0.3, 3);
  return out;
}

/// Sum over ids of p (log p - log q) [N], 0 where p is 0.
inline at::Tensor divergence(const at::Tensor& p, const at::Tensor& log_q) {
  const at::Tensor terms = p * (p.log() - log_q);
  return at::where(p > 0, terms, at::zeros({}, p.options())).sum(1);
}

/// The divergence of the objective per token [N] double, without T^2, from the student's logits [N, V].
inline at::Tensor expected_divergence(const KdCase& kd, const KdLossOptions& options,
                                      const at::Tensor& logits) {
  const double t = options.temperature;
  const at::Tensor idx = kd.targets.topk_idx.to(at::kLong);
  if (options.objective == objective_named("topk")) {
    const at::Tensor p = at::softmax(kd.targets.topk_logits.to(at::kDouble) / t, 1);
    return at::kl_div(at::log_softmax(logits.gather(1, idx) / t, 1), p, at::Reduction::None).sum(1);
  }
  const at::Tensor log_q = at::log_softmax(logits / t, 1);
  if (options.objective == objective_named("exact")) {
    const at::Tensor teacher = kd.targets.teacher_hidden.to(at::kDouble).mm(kd.head.to(at::kDouble).t());
    return divergence(at::softmax(teacher / t, 1), log_q);
  }
  const at::Tensor lse = kd.targets.teacher_lse.to(at::kDouble).unsqueeze(1);
  const at::Tensor p = (kd.targets.topk_logits.to(at::kDouble) / t - lse).exp();
  const at::Tensor p_tail = (1 - p.sum(1, true)).clamp_min(0);
  const at::Tensor outside = at::ones_like(logits.detach()).scatter(1, idx, 0.0);
  const at::Tensor q_tail = (log_q.exp() * outside).sum(1, true);
  return divergence(at::cat({p / (p.sum(1, true) + p_tail), p_tail}, 1),
                    at::cat({log_q.gather(1, idx), at::log(q_tail)}, 1));
}

struct KdExpected {
  KdLossSums sums;
  at::Tensor gradient;  ///< [N, H] double
};

/// An objective's divergence per token [N] double, without T^2, from the student's logits [N, V].
using ExpectedDivergence = at::Tensor (*)(const KdCase&, const KdLossOptions&, const at::Tensor& logits);

/// Everything in double from the values of hidden and head as they are.
inline KdExpected expected_kd_loss(const KdCase& kd, const KdLossOptions& options,
                                   ExpectedDivergence per_token = expected_divergence) {
  const at::AutoGradMode enabled(true);
  const at::Tensor hidden = kd.hidden.to(at::kDouble).clone().requires_grad_(true);
  const at::Tensor weight = kd.targets.weight.to(at::kDouble);
  const at::Tensor idx = kd.targets.topk_idx.to(at::kLong);
  const at::Tensor logits = hidden.mm(kd.head.to(at::kDouble).t());
  const at::Tensor kl =
      (per_token(kd, options, logits) * weight).sum() * (options.temperature * options.temperature);
  at::Tensor ce = at::zeros({}, at::kDouble);
  at::Tensor sampled = ce;
  const double hard = options.hard_top1 + options.hard_full;
  if (hard > 0) {
    ce = (at::cross_entropy_loss(logits, idx.select(1, 0), {}, at::Reduction::None) * weight).sum();
  }
  if (options.sampled_ce_weight > 0) {
    const at::Tensor candidates = logits.gather(1, at::cat({idx, kd.targets.negatives.to(at::kLong)}, 1));
    const at::Tensor first = at::zeros({candidates.size(0)}, at::kLong);
    sampled = (at::cross_entropy_loss(candidates, first, {}, at::Reduction::None) * weight).sum();
  }
  const at::Tensor total = kl + ce * hard + sampled * options.sampled_ce_weight;
  total.backward();
  KdExpected result;
  result.sums = {total.item<double>(), kl.item<double>(), ce.item<double>(), sampled.item<double>(),
                 weight.sum().item<double>()};
  result.gradient = hidden.grad();
  return result;
}

/// Largest absolute difference over the largest absolute expected value.
inline double relative_difference(const at::Tensor& got, const at::Tensor& expected) {
  const double scale = expected.abs().max().item().toDouble();
  return (got.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item().toDouble() / scale;
}

}  // namespace anemll::test
