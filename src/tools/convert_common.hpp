// What the commands of anemll_convert share: the folder that gets a checkpoint and its config.json.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/core/output_folder.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

/// The folder of the file `target`, made, locked and checked. Usage errors: `target` does not end in .pt, the
/// folder holds something that does not go with it.
std::unique_ptr<OutputFolder> take_checkpoint_folder(const std::filesystem::path& target,
                                                     const std::string& flag);
/// Moves what an earlier command left aside, then writes both files and tells it.
void write_checkpoint(OutputFolder& folder, const std::filesystem::path& target,
                      const std::vector<LazyTensor>& tensors, const std::string& config);

}  // namespace anemll
