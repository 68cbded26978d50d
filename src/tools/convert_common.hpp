// What the commands of anemll_convert share: the model that a checkpoint is of, and the folder that gets a
// checkpoint and its config.json.
#pragma once

#include "anemll/core/options.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/hub/hub.hpp"
#include "anemll/model/compute_options.hpp"
#include "anemll/model/model_files.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/output_folder.hpp"
#include "src/hub/recorded_id.hpp"
#include "src/student/student.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace anemll {

/// --model-id, --model-revision, --device, --strict.
struct ModelFlags {
  std::optional<std::string> id, revision;
  DeviceChoice device = DeviceChoice::automatic;
  bool strict = false;
};
void add_model_flags(OptionTable& table, ModelFlags& flags, const std::string& otherwise);

/// A model that was found, opened and checked.
struct FoundModel {
  ModelChoice name;
  OpenModel opened;
  ModelFiles files;
};
/// `recorded`: what the source says about its model. Tells what of the model is not used, and a revision that
/// has no effect.
FoundModel open_recorded_model(const ModelFlags& flags, const OptionTable& table,
                               const RecordedModel& recorded, ModelUse use);
/// The device of the flags; sets the threads of this process.
at::Device prepare_compute(const ModelFlags& flags);

/// A V2 checkpoint without adapters.
V2Checkpoint open_checkpoint(const std::string& file);
/// The quantised model of a checkpoint. Tells its quantisation, and where names say otherwise.
Student open_student(const V2Checkpoint& checkpoint, const ModelFiles& model, at::Device device);

/// The folder of the file `target`, made, locked and checked. Usage errors: `target` does not end in .pt, the
/// folder holds something that does not go with it.
std::unique_ptr<OutputFolder> take_checkpoint_folder(const std::filesystem::path& target,
                                                     const std::string& flag);
/// Moves what an earlier command left aside, then writes both files and tells it.
void write_checkpoint(OutputFolder& folder, const std::filesystem::path& target,
                      const std::vector<LazyTensor>& tensors, const std::string& config);

}  // namespace anemll
