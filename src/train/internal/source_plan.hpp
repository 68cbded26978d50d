// What a run will train, known before the model is built: the quantisation of every linear out of the source
// (a checkpoint, a saved state, or the flags), and the number of trained values.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/train/train_options.hpp"
#include "src/convert/v1_to_v2.hpp"
#include "src/student/student.hpp"
#include "src/student/v2_checkpoint.hpp"
#include "src/train/internal/saved_state.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include <c10/core/Device.h>

namespace anemll {

struct SourcePlan {
  ResolvedQuant quant;
  std::optional<V2Checkpoint> checkpoint;  ///< what the student is made of; none from scratch or a state
  std::optional<V1Plan> v1;                ///< the checkpoint is V1's and becomes quant.spec
  std::int64_t trained_values = 0;
};
/// Usage errors where a flag contradicts the source.
SourcePlan plan_source(const TrainOptions& options, const Architecture& architecture,
                       const std::optional<SavedState>& state);

/// "quantisation: MLP 4 entries rank 32, ... (preset q2a4), group 32"
std::string describe(const SourcePlan& plan);

/// The student that was planned, out of `state` where there is one. Tells plan and warnings, but of a state.
/// Collective.
Student make_student(const TrainOptions& options, const ModelFiles& files, const SourcePlan& plan,
                     const std::optional<SavedState>& state, at::Device device, Communicator& comm);

/// Types, tables and ranks of a saved state, by its shapes. Data error for a state of another model.
QuantSpec state_spec(const SavedState& state, const Architecture& architecture);

/// Every tensor that a saved state holds of the model.
TensorMap tensors_of(const SavedState& state);

}  // namespace anemll
