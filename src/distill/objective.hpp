// What an objective needs of the KD cache, and whether this cache has it for this student.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/distill/batch_tensors.hpp"
#include "src/distill/kd_loss.hpp"

#include <string>

namespace anemll {

/// What the training loop reads beside ids and top-k logits.
PayloadSet training_payloads(KdObjective objective);
/// True when a log-sum-exp at T = 1 is what the run's temperature asks for and the cache has it.
bool uses_lse_at_one(double temperature, const KdCacheInfo& cache);
/// Hands `targets` what the objective reads of the batch's payloads.
void add_payloads(BatchTensors& batch, KdObjective objective, double temperature, const KdCacheInfo& cache);

/// The head that the student's logits come from: head_sha256 of its base model, empty when a checkpoint
/// brought a head of its own.
struct StudentHead {
  std::string sha256;
  std::int64_t hidden_size = 0;
};
/// The cache has hidden states and they belong to that head.
bool shares_head(const KdCacheInfo& cache, const StudentHead& head);
/// Throws a data error, with the remedy, for a cache (at `where`) that lacks what the objective needs.
void check_objective(KdObjective objective, double temperature, const KdCacheInfo& cache,
                     const StudentHead& head, const std::string& where);

}  // namespace anemll
