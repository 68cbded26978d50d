// Teacher and student renormalised inside the cached ids: the reference's objective.
#include "src/distill/kd_cached.hpp"
#include "src/distill/kd_chunk.hpp"
#include "src/distill/kd_token.hpp"
#include "src/distill/objective.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>

namespace anemll {
namespace {

kd::CachedTerms divergence(const at::Tensor& teacher, const at::Tensor& student, double temperature) {
  const at::Tensor log_p = at::log_softmax(teacher / temperature, 1);
  const at::Tensor log_q = at::log_softmax(student / temperature, 1);
  const at::Tensor p = log_p.exp();
  return {kd::weighted(p, log_p - log_q).sum(1, true), (log_q.exp() - p) * temperature};
}

}  // namespace

Objective topk_objective() {
  Objective row;
  row.name = "topk";
  row.help = "renormalises inside the cached ids, as the reference does";
  row.payloads = {Payload::topk};
  row.check = require_topk;
  row.on_cpu = kd::cached_on_cpu<kd_token_terms>;
  row.on_chunk = kd::cached_on_chunk<divergence>;
  return row;
}

}  // namespace anemll
