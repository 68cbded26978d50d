// The bytes of a text file, whatever its compression: plain, gzip (any number of members, and zeros after
// them), zstd (any number of frames), bzip2 or xz (any number of streams), read forward without holding the
// whole. One thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace anemll::datasets {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills the front of `out` and returns how much; 0 only at the end. Data errors name the file.
  virtual std::size_t read(std::span<char> out) = 0;
};

/// Chosen by the last extension: .gz, .zst, .bz2, .xz or none of them, in any case.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);

}  // namespace anemll::datasets
