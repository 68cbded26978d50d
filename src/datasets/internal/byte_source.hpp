// The bytes of a text file, whatever its compression: plain, gzip (any number of members, and zeros after
// them), zstd (any number of frames), bzip2 or xz (any number of streams), read forward without holding the
// whole. One thread.
#pragma once

#include "src/core/content_kind.hpp"

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

/// Whether open_bytes unpacks it.
bool is_compression(ContentKind kind);
/// What a file is by its content; where that says nothing, what its extension says of a compression.
ContentKind compression_of(const std::filesystem::path& path);
/// Chosen by content. A data error for what is no text, such as a pointer of Git LFS or a web page.
std::unique_ptr<ByteSource> open_bytes(const std::filesystem::path& path);

}  // namespace anemll::datasets
