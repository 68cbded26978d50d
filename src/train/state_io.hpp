// Between the trainer's memory and native checkpoints: named views of the flat buffers, and the JSON part.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/train/state_store.hpp"
#include "src/train/optimizer.hpp"
#include "src/train/run_state.hpp"
#include "src/train/selection.hpp"

#include <string>
#include <vector>

namespace anemll {

/// All that the run changes.
std::vector<LazyTensor> parameter_tensors(const Selection& selection);
/// Each parameter's first and second moment as "<name>.exp_avg" and "<name>.exp_avg_sq".
std::vector<LazyTensor> moment_tensors(FlatParameters& parameters, AdamW& optimizer);
/// Copies both back; data errors name a missing or differently shaped tensor.
void restore_tensors(const StateStore::Loaded& state, Selection& selection, AdamW& optimizer);

/// Only the parameters, out of the state in `folder`.
void restore_parameters(const TensorMap& saved, Selection& selection, const std::string& folder);

/// trainer.json: {"state": ..., "identity": ..., "options": ...}.
std::string trainer_json(const RunState& state, const std::string& identity, const std::string& options);
RunState run_state_of(const StateStore::Loaded& state);

/// Throws a communication error when the ranks' parameters are not bitwise equal. Collective.
void check_replicas(Communicator& comm, const Selection& selection);

}  // namespace anemll
