// The model that a saved state of a run holds, for programs that do not train.
#pragma once

#include "anemll/model/model_files.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <c10/core/Device.h>

namespace anemll {

struct SavedState;

/// A state that was opened and checked, and what its run said of the model.
struct StateModel {
  std::shared_ptr<const SavedState> state;
  std::filesystem::path folder;  ///< of the state itself: .../state/step_00000100
  std::int64_t step = 0;
  std::string model_id;        ///< as the run was told; may be relative to where it was started
  std::string model_revision;  ///< empty where the state does not say
};
/// `place`: a state/step_... folder, or the newest state of a run's folder, its state/ or an abandoned-<n>.
/// Data errors: none there, damaged, values that are not finite.
StateModel open_state_model(const std::filesystem::path& place);

/// The model of the state. Data error when the state is of another model than `files`.
Student state_student(const StateModel& state, const ModelFiles& files, at::Device device);

}  // namespace anemll
