// Read access to a ZIP archive in a memory map, driven by the central directory alone (local headers of
// PyTorch's files carry no sizes). Stored entries are views; deflated ones are inflated within bounds.
// Encrypted, overlapping, duplicate or out-of-file entries make the whole archive a data error.
#pragma once

#include "anemll/core/file.hpp"
#include "src/formats/internal/byte_reader.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace anemll::formats {

struct ZipEntry {
  std::string_view name;  ///< lies in the map
  std::uint64_t bytes = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t payload = 0;  ///< file offset
  std::uint32_t crc = 0;
  bool deflated = false;
};

/// Bytes and whatever keeps them alive.
struct Payload {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

class ZipReader {
 public:
  /// `complain` must outlive the reader.
  ZipReader(std::shared_ptr<const MappedFile> file, const Complaint& complain);

  const std::vector<ZipEntry>& entries() const { return entries_; }  ///< in directory order
  const ZipEntry* find(std::string_view name) const;

  /// The content, not checked against its CRC if it is a view (that would read the whole file).
  Payload content(const ZipEntry& entry) const;
  /// The same with the CRC checked, unless the writer left it out (zero).
  Payload checked_content(const ZipEntry& entry) const;

 private:
  void read_directory(std::uint64_t offset, std::uint64_t bytes, std::uint64_t count);
  ZipEntry read_central_header(ByteReader& directory);
  void locate_payload(ZipEntry& entry, std::uint64_t local_offset, std::uint64_t directory_offset);
  void check_overlaps() const;

  std::shared_ptr<const MappedFile> file_;
  const Complaint& complain_;
  std::uint64_t directory_offset_ = 0;
  std::uint64_t inflated_total_ = 0;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace anemll::formats
