#include "src/distill/objective.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

namespace anemll {
namespace {

std::string number(double value) {
  return strf("%g", value);
}

[[noreturn]] void throw_no_lse(double temperature, const KdCacheInfo& cache, const std::string& where) {
  std::string has;
  if (cache.has(kd::lse_t1)) has = " 1";
  if (cache.lse_train_temperature > 0 && !(cache.has(kd::lse_t1) && cache.lse_train_temperature == 1))
    has += (has.empty() ? " " : " and ") + number(cache.lse_train_temperature);
  const std::string t = number(temperature);
  throw_data("--kd-objective topk-tail at temperature " + t +
                 " needs the teacher's log-sum-exp at that temperature; the cache has " +
                 (has.empty() ? "none" : "it at" + has),
             where,
             "make a cache with anemll_precompute --payload topk,lse --train_temperature " + t +
                 (has.empty() ? ", or train with --kd-objective topk" : ", or change --temperature"));
}

}  // namespace

PayloadSet training_payloads(KdObjective objective) {
  switch (objective) {
    case KdObjective::topk:
      break;
    case KdObjective::topk_tail:
      return {Payload::lse};
    case KdObjective::exact:
      return {Payload::hidden};
  }
  return {};
}

bool uses_lse_at_one(double temperature, const KdCacheInfo& cache) {
  return temperature == 1.0 && cache.has(kd::lse_t1);
}

void add_payloads(BatchTensors& batch, KdObjective objective, double temperature, const KdCacheInfo& cache) {
  switch (objective) {
    case KdObjective::topk:
      return;
    case KdObjective::topk_tail:
      batch.targets.teacher_lse = uses_lse_at_one(temperature, cache) ? batch.lse_t1 : batch.lse_train;
      return;
    case KdObjective::exact:
      batch.targets.teacher_hidden = batch.teacher_hidden.flatten(0, 1);
      return;
  }
}

bool shares_head(const KdCacheInfo& cache, const StudentHead& head) {
  return cache.hidden > 0 && cache.hidden == head.hidden_size && cache.head_sha256 == head.sha256;
}

void check_objective(KdObjective objective, double temperature, const KdCacheInfo& cache,
                     const StudentHead& head, const std::string& where) {
  if (objective == KdObjective::topk_tail && !uses_lse_at_one(temperature, cache) &&
      cache.lse_train_temperature != temperature) {
    throw_no_lse(temperature, cache, where);
  }
  if (objective != KdObjective::exact) return;
  if (cache.hidden == 0) {
    throw_data(
        "--kd-objective exact needs the teacher's hidden states; the cache has none", where,
        "make a cache with anemll_precompute --payload topk,hidden, or train with --kd-objective topk");
  }
  if (shares_head(cache, head)) return;
  throw_data(
      "--kd-objective exact needs teacher and student to share the head: the cache's hidden states belong to "
      "head " +
          cache.head_sha256 + " of width " + std::to_string(cache.hidden) + ", the student has " +
          (head.sha256.empty() ? "one of its own, out of its checkpoint"
                               : head.sha256 + " of width " + std::to_string(head.hidden_size)),
      where,
      "give the model that made the cache as --model-id, or make a cache with this model as the teacher");
}

}  // namespace anemll
