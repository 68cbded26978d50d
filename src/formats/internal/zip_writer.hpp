// Appends stored, aligned entries to a file that is being written; the directory follows at the end.
#pragma once

#include "anemll/core/file.hpp"
#include "src/formats/internal/zip_format.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace anemll::formats {

class ZipWriter {
 public:
  /// The archive starts where the file stands, which must be its beginning.
  explicit ZipWriter(AtomicFile& file) : file_(file) {}

  void add(std::string name, std::span<const std::byte> bytes);
  void add(std::string name, const std::string& text);
  /// Writes the directory; the file still has to be committed.
  void finish();

  /// No entry needs more than this beyond its payload, header and directory record together.
  static std::uint64_t overhead(std::size_t name_length);
  /// The end records at their longest.
  static constexpr std::uint64_t kEndBytes = kZip64EndBytes + kZip64LocatorBytes + kZipEndBytes;

 private:
  AtomicFile& file_;
  std::vector<ZipStoredEntry> entries_;
};

}  // namespace anemll::formats
