// The byte layout of the ZIP records that .pt files use (PKWARE APPNOTE 6.3, sections 4.3 and 4.5), with
// ZIP64 forms where a number needs them. Pure functions: no file is touched here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll::formats {

inline constexpr std::uint32_t kZipLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kZipCentralSignature = 0x02014b50;
inline constexpr std::uint32_t kZipEndSignature = 0x06054b50;
inline constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
inline constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;
inline constexpr std::uint16_t kZip64ExtraId = 0x0001;
inline constexpr std::uint16_t kZipPaddingExtraId = 0x4246;  ///< "FB", the padding field of PyTorch's writer

inline constexpr std::uint64_t kZipLocalBytes = 30;
inline constexpr std::uint64_t kZipCentralBytes = 46;
inline constexpr std::uint64_t kZipEndBytes = 22;
inline constexpr std::uint64_t kZip64EndBytes = 56;
inline constexpr std::uint64_t kZip64LocatorBytes = 20;

/// Values from which a field moves to its 64-bit form (the all-ones value is the marker itself).
inline constexpr std::uint64_t kZipMarker32 = 0xffffffff;
inline constexpr std::uint64_t kZipMarker16 = 0xffff;

/// PyTorch maps payloads that begin at multiples of this.
inline constexpr std::uint64_t kZipPayloadAlignment = 64;

struct ZipStoredEntry {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  std::uint64_t offset = 0;  ///< of the local header
};

/// The local header, padded so that the payload after it is aligned.
std::string zip_local_header(const ZipStoredEntry& entry);
std::string zip_central_header(const ZipStoredEntry& entry);
/// The records after the central directory: the ZIP64 pair when a number needs it, then the classic end.
std::string zip_end_records(std::uint64_t entries, std::uint64_t directory_offset,
                            std::uint64_t directory_bytes);

}  // namespace anemll::formats
