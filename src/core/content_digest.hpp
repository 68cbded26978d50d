// A quick answer to "do these ranks see the same files?": exact for small sets of files, a sample of large
// ones.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace anemll {

/// SHA-256 over name (without folders), size and bytes of `files` in their order. Of sets of more than 64 MiB
/// it takes 1024 blocks of 16 KiB, spread evenly, and both ends of every file. Data errors for unreadable
/// files.
std::string content_digest(std::span<const std::filesystem::path> files);

}  // namespace anemll
