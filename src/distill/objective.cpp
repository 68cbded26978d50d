#include "src/distill/objective.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <cstddef>
#include <deque>
#include <stdexcept>
#include <vector>

namespace anemll {
namespace {

/// Rows never move: a KdObjective points at one.
struct Table {
  std::deque<Objective> rows;
  std::vector<Choice<KdObjective>> choices;

  void add(const Objective& objective) {
    if (objective.name.empty() || objective.on_chunk == nullptr)
      throw std::logic_error("an objective needs a name and its form by tensor operations");
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].name != objective.name) continue;
      rows[i] = objective;
      choices[i].name = objective.name;
      return;
    }
    const Objective& row = rows.emplace_back(objective);
    choices.push_back({KdObjective(row), row.name});
  }
};

/// The first row is the default.
Table& table() {
  static Table objectives = [] {
    Table made;
    for (const Objective& objective : {topk_objective(), topk_tail_objective(), exact_objective()})
      made.add(objective);
    return made;
  }();
  return objectives;
}

std::string number(double value) {
  return strf("%g", value);
}

std::string option(const Objective& objective) {
  return std::string("--kd-objective ").append(objective.name);
}

/// A log-sum-exp at T = 1 is what the run's temperature asks for, and the cache has it.
bool uses_lse_at_one(double temperature, const KdCacheInfo& cache) {
  return temperature == 1.0 && cache.has(kd::lse_t1);
}

}  // namespace

KdObjective::KdObjective() : row_(&table().rows.front()) {}

std::span<const Choice<KdObjective>> choices_of(KdObjective) {
  return table().choices;
}

KdObjective objective_named(std::string_view name) {
  if (const std::optional<KdObjective> objective = choice_named<KdObjective>(name)) return *objective;
  std::string known;
  for (const Objective& row : table().rows) known.append(known.empty() ? "" : ", ").append(row.name);
  throw_usage("there is no objective '" + std::string(name) + "'", "distillation", "known: " + known);
}

std::string objectives_in_words() {
  std::string words;
  for (const Objective& row : table().rows)
    words.append(words.empty() ? "" : "; ").append(row.name).append(" ").append(row.help);
  return words;
}

void register_objective(const Objective& objective) {
  table().add(objective);
}

void check_objective(KdObjective objective, const ObjectiveUse& use) {
  if (objective->check != nullptr) objective->check(*objective, use);
}

void add_payloads(BatchTensors& batch, KdObjective objective, double temperature, const KdCacheInfo& cache) {
  if (objective->take != nullptr) objective->take(batch, temperature, cache);
}

bool shares_head(const KdCacheInfo& cache, const StudentHead& head) {
  return cache.hidden > 0 && cache.hidden == head.hidden_size && cache.head_sha256 == head.sha256;
}

void require_topk(const Objective& objective, const ObjectiveUse& use) {
  if (use.cache.topk > 0) return;
  throw_data(option(objective) + " needs the teacher's top-k logits, and there are tokens alone", use.where,
             "train with --kd-objective exact and --teacher-model, or make a cache with anemll_precompute "
             "--payload topk,lse");
}

void require_lse(const Objective& objective, const ObjectiveUse& use) {
  require_topk(objective, use);
  const KdCacheInfo& cache = use.cache;
  if (uses_lse_at_one(use.temperature, cache) || cache.lse_train_temperature == use.temperature) return;
  std::string has;
  if (cache.has(kd::lse_t1)) has = " 1";
  if (cache.lse_train_temperature > 0 && !(cache.has(kd::lse_t1) && cache.lse_train_temperature == 1))
    has += (has.empty() ? " " : " and ") + number(cache.lse_train_temperature);
  const std::string t = number(use.temperature);
  throw_data(option(objective) + " at temperature " + t +
                 " needs the teacher's log-sum-exp at that temperature; the cache has " +
                 (has.empty() ? "none" : "it at" + has),
             use.where,
             "make a cache with anemll_precompute --payload topk,lse --train_temperature " + t +
                 (has.empty() ? ", or train with --kd-objective topk" : ", or change --temperature"));
}

void take_lse(BatchTensors& batch, double temperature, const KdCacheInfo& cache) {
  batch.targets.teacher_lse = uses_lse_at_one(temperature, cache) ? batch.lse_t1 : batch.lse_train;
}

void require_shared_head(const Objective& objective, const ObjectiveUse& use) {
  const KdCacheInfo& cache = use.cache;
  const StudentHead& head = use.head;
  if (cache.hidden == 0) {
    throw_data(option(objective) + " needs the teacher's hidden states; the cache has none", use.where,
               "name the teacher with --teacher-model, which runs it on every batch; or make a cache with "
               "anemll_precompute --payload topk,hidden, or train with --kd-objective topk");
  }
  if (shares_head(cache, head)) return;
  throw_data(
      option(objective) +
          " needs teacher and student to share the head: the cache's hidden states belong to head " +
          cache.head_sha256 + " of width " + std::to_string(cache.hidden) + ", the student has " +
          (head.sha256.empty() ? "one of its own, out of its checkpoint"
                               : head.sha256 + " of width " + std::to_string(head.hidden_size)),
      use.where,
      "give the model that made the cache as --model-id, or make a cache with this model as the teacher; "
      "the type of the weights counts: a copy in fp32 has another head than its original in bf16");
}

void take_hidden(BatchTensors& batch, double /*temperature*/, const KdCacheInfo& /*cache*/) {
  batch.targets.teacher_hidden = batch.teacher_hidden.flatten(0, 1);
}

}  // namespace anemll
