// A checkpoint written by a program that does nothing else meanwhile: progress is told, a signal ends it.
#pragma once

#include "anemll/formats/torch_file.hpp"

#include <filesystem>
#include <span>
#include <string>

namespace anemll {

/// write_torch_file with a bar that `label` names. A signal before a tensor is StopError "while `during`",
/// and nothing is left of the file.
void write_torch_file_told(const std::filesystem::path& path, std::span<const LazyTensor> tensors,
                           const std::string& label, const char* during);

}  // namespace anemll
