// The objectives in one table: what each is called, what it needs of the KD cache, and how it is computed. A
// new objective is one row, here (objective.cpp) or registered by a caller.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "anemll/distill/kd_objective.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/distill/kd_loss.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace anemll {
namespace kd {
struct CpuInputs;
struct Chunk;
}  // namespace kd

/// The head that the student's logits come from: head_sha256 of its base model, empty when a checkpoint
/// brought a head of its own.
struct StudentHead {
  std::string sha256;
  std::int64_t hidden_size = 0;
};

/// What an objective's check looks at.
struct ObjectiveUse {
  double temperature;
  const KdCacheInfo& cache;
  const StudentHead& head;
  const std::string& where;  ///< the cache, as the user named it
};

struct Objective {
  std::string_view name;  ///< the word of --kd-objective
  std::string_view help;  ///< what it does, said after the name
  /// What the cache must have beside tokens; top-k logits are read wherever there are any. With lse the loss
  /// asks for KdTargets::teacher_lse, with hidden for KdTargets::teacher_hidden.
  PayloadSet payloads = {};
  /// It looks at the logits of the whole vocabulary even without hard weights.
  bool all_logits = false;
  /// It holds a second chunk of logits, the teacher's.
  bool teacher_logits = false;
  /// Throws a data error, with the remedy, for a cache that lacks what the objective needs. Null: any will
  /// do.
  void (*check)(const Objective&, const ObjectiveUse&) = nullptr;
  /// Hands `targets` of a batch what the objective reads of the batch's payloads. Null: nothing.
  void (*take)(BatchTensors&, double temperature, const KdCacheInfo&) = nullptr;
  /// The loss on the CPU, as kd_loss: the head is fp32 or bf16 and there is at least one token. kd_rows.hpp
  /// has what the objectives share. Null: the form by tensor operations serves the CPU too.
  KdLossSums (*on_cpu)(const kd::CpuInputs&, const KdLossOptions&, const at::Tensor& gradient) = nullptr;
  /// The loss of a chunk of tokens by tensor operations: adds to `sums`, and gives d(total)/d(hidden) [C, H]
  /// where a gradient is asked for. kd_chunk.hpp has what the objectives share.
  at::Tensor (*on_chunk)(const kd::Chunk&, const at::Tensor& head, const KdLossOptions&, bool with_gradient,
                         at::Tensor& sums) = nullptr;
};

/// Adds an objective, or replaces the one of that name. Before any thread uses the table.
void register_objective(const Objective& objective);

/// Throws a data error, with the remedy, for a cache that lacks what the objective needs.
void check_objective(KdObjective objective, const ObjectiveUse& use);
/// Hands `targets` what the objective reads of the batch's payloads.
void add_payloads(BatchTensors& batch, KdObjective objective, double temperature, const KdCacheInfo& cache);

/// The cache has hidden states and they belong to that head.
bool shares_head(const KdCacheInfo& cache, const StudentHead& head);

// Objective::check and Objective::take of objectives that need the teacher's top-k logits, of those that need
// its log-sum-exp at the run's temperature too, and of those that need its hidden states before the student's
// own head.
void require_topk(const Objective& objective, const ObjectiveUse& use);
void require_lse(const Objective& objective, const ObjectiveUse& use);
void take_lse(BatchTensors& batch, double temperature, const KdCacheInfo& cache);
void require_shared_head(const Objective& objective, const ObjectiveUse& use);
void take_hidden(BatchTensors& batch, double temperature, const KdCacheInfo& cache);

// The rows of the objectives that every program knows: one file each.
Objective topk_objective();
Objective topk_tail_objective();
Objective exact_objective();

}  // namespace anemll
