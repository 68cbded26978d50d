// Folders that a program made for what it was going to write, and that go again where nothing came into them.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

namespace anemll {

/// `folder` and those above it, as far as they are not there. The outermost is the first.
std::vector<std::filesystem::path> missing_folders(const std::filesystem::path& folder);
/// Removes those that are empty.
void remove_empty(std::span<const std::filesystem::path> folders) noexcept;

}  // namespace anemll
