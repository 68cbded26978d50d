// Whether the files of a run will find room: told when it begins, not when it has trained for hours.
#pragma once

#include "anemll/train/train_options.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace anemll {

/// Bytes that a run will yet write beside its first files, of a checkpoint file and a state of these sizes: a
/// new best, the last files, states, and the copies of --save-steps from `step` on.
std::uint64_t bytes_to_come(const TrainOptions& options, std::int64_t step, std::uint64_t checkpoint,
                            std::uint64_t state);

/// A warning where `folder` has less room than that; empty else, and where the system does not tell.
std::string disk_warning(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace anemll
