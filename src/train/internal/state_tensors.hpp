// The tensors of a state: named views of the flat buffers to write, and the way back into the buffers.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/train/internal/optimizer.hpp"
#include "src/train/internal/optimizer_share.hpp"
#include "src/train/internal/saved_state.hpp"
#include "src/train/internal/selection.hpp"

#include <string>
#include <vector>

namespace anemll {

/// First and second moments of all parameters, flat.
struct Moments {
  at::Tensor first, second;
};

/// All that the run changes.
std::vector<LazyTensor> parameter_tensors(const Selection& selection);
/// Each parameter's first and second moment as "<name>.exp_avg" and "<name>.exp_avg_sq".
std::vector<LazyTensor> moment_tensors(const FlatParameters& parameters, const Moments& moments);
/// Copies both back, of the moments this rank's share; data errors name a missing or differently shaped
/// tensor.
void restore_tensors(const SavedState& state, Selection& selection, AdamW& optimizer,
                     const OptimizerShare& share);

/// Only the parameters, out of the state in `folder`.
void restore_parameters(const TensorMap& saved, Selection& selection, const std::string& folder);

}  // namespace anemll
