// Whether a model's weights are there, without reading them.
#pragma once

#include "anemll/model/model_files.hpp"

#include <filesystem>
#include <vector>

namespace anemll {

/// Finds the data errors of load_model_files that need no values: missing, misshapen and wrongly typed
/// tensors of a folder. For programs that open several models and compute long before the last. Returns the
/// files that hold the weights.
std::vector<std::filesystem::path> check_weights(const OpenModel& model);

}  // namespace anemll
