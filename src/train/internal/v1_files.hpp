// The last files of a V1 run under the reference's names: model_state_dict.pt, snapped or as trained,
// indices.pt (what the snap takes, or would take) and config.json. Rank 0 only.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/student/student.hpp"

#include <filesystem>
#include <optional>
#include <string_view>

namespace anemll {

inline constexpr std::string_view kV1State = "model_state_dict.pt";
inline constexpr std::string_view kV1Indices = "indices.pt";

void write_v1_tensors(const TrainOptions& options, const Student& student);

/// `final_loss` absent: null. `snapped`: model_state_dict.pt beside it is what the options make of it; before
/// that, and for best_state_dict.pt, nothing is snapped.
void write_v1_config(const TrainOptions& options, const Student& student, std::optional<double> final_loss,
                     bool snapped);

/// Whether config.json says that model_state_dict.pt is snapped as the options ask; true where they ask for
/// no snap.
bool v1_snap_is_written(const TrainOptions& options);

}  // namespace anemll
