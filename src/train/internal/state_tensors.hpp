// The tensors of a state: named views of the flat buffers to write, and the way back into the buffers.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/train/internal/optimizer.hpp"
#include "src/train/internal/saved_state.hpp"
#include "src/train/internal/selection.hpp"

#include <string>
#include <vector>

namespace anemll {

/// All that the run changes.
std::vector<LazyTensor> parameter_tensors(const Selection& selection);
/// Each parameter's first and second moment as "<name>.exp_avg" and "<name>.exp_avg_sq".
std::vector<LazyTensor> moment_tensors(FlatParameters& parameters, AdamW& optimizer);
/// Copies both back; data errors name a missing or differently shaped tensor.
void restore_tensors(const SavedState& state, Selection& selection, AdamW& optimizer);

/// Only the parameters, out of the state in `folder`.
void restore_parameters(const TensorMap& saved, Selection& selection, const std::string& folder);

}  // namespace anemll
