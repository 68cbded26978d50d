// A path in the one form that names and comparisons need.
#pragma once

#include <filesystem>

namespace anemll {

/// Absolute and without dots; "dir/" names dir.
std::filesystem::path normalised(const std::filesystem::path& path);

}  // namespace anemll
