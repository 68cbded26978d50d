// The folder that a snapped file is written into.
#pragma once

#include "anemll/snap/snap_format.hpp"
#include "src/core/output_folder.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace anemll {

/// A file that a snap writes, and the lock of its folder.
struct SnapPlace {
  std::filesystem::path target;  ///< absolute
  std::unique_ptr<OutputFolder> folder;
};

/// What `output` means: itself when it ends as the format's files do, else the format's file in that folder:
/// model_state_dict.pt, packed.safetensors. Makes, locks and checks the folder. A usage error when it holds
/// the checkpoint (empty: there is none), a model or other weights, because the converters would merge them
/// into the model. An earlier snap steps aside when the snap is written.
SnapPlace take_snap_place(const std::string& output, SnapFormat format,
                          const std::filesystem::path& checkpoint);

}  // namespace anemll
