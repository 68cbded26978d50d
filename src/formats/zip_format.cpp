// Serialisation of single ZIP records; ZipWriter puts them in order, the tests put them where they like.
#include "src/formats/internal/zip_format.hpp"

#include <algorithm>
#include <type_traits>

namespace anemll::formats {
namespace {

constexpr std::uint16_t kVersionClassic = 20;
constexpr std::uint16_t kVersionZip64 = 45;
constexpr std::uint16_t kDosDate1980 = 0x0021;  // 1 January 1980: files depend on their content only

template <typename T>
void put(std::string& out, std::type_identity_t<T> value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
  }
}

std::uint32_t or_marker(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min(value, kZipMarker32));
}
std::uint16_t or_marker16(std::uint64_t value) {
  return static_cast<std::uint16_t>(std::min(value, kZipMarker16));
}

/// Version needed ... name length: the part that local and central headers share.
void put_common(std::string& out, const ZipStoredEntry& entry, bool zip64) {
  put<std::uint16_t>(out, zip64 ? kVersionZip64 : kVersionClassic);
  put<std::uint16_t>(out, 0);  // flags
  put<std::uint16_t>(out, 0);  // method: stored
  put<std::uint16_t>(out, 0);  // time
  put<std::uint16_t>(out, kDosDate1980);
  put<std::uint32_t>(out, entry.crc);
  put<std::uint32_t>(out, or_marker(entry.bytes));
  put<std::uint32_t>(out, or_marker(entry.bytes));
  put<std::uint16_t>(out, static_cast<std::uint16_t>(entry.name.size()));
}

}  // namespace

std::string zip_local_header(const ZipStoredEntry& entry) {
  std::string extra;
  const bool zip64 = entry.bytes >= kZipMarker32;
  if (zip64) {
    put<std::uint16_t>(extra, kZip64ExtraId);
    put<std::uint16_t>(extra, 16);
    put<std::uint64_t>(extra, entry.bytes);
    put<std::uint64_t>(extra, entry.bytes);
  }
  const std::uint64_t start = entry.offset + kZipLocalBytes + entry.name.size() + extra.size() + 4;
  const std::uint64_t padding = (kZipPayloadAlignment - start % kZipPayloadAlignment) % kZipPayloadAlignment;
  put<std::uint16_t>(extra, kZipPaddingExtraId);
  put<std::uint16_t>(extra, static_cast<std::uint16_t>(padding));
  extra.append(static_cast<std::size_t>(padding), 'Z');

  std::string out;
  put<std::uint32_t>(out, kZipLocalSignature);
  put_common(out, entry, zip64);
  put<std::uint16_t>(out, static_cast<std::uint16_t>(extra.size()));
  return out + entry.name + extra;
}

std::string zip_central_header(const ZipStoredEntry& entry) {
  std::string numbers;  // the fields that are markers in the header, in this order
  if (entry.bytes >= kZipMarker32) {
    put<std::uint64_t>(numbers, entry.bytes);
    put<std::uint64_t>(numbers, entry.bytes);
  }
  if (entry.offset >= kZipMarker32) put<std::uint64_t>(numbers, entry.offset);
  std::string extra;
  if (!numbers.empty()) {
    put<std::uint16_t>(extra, kZip64ExtraId);
    put<std::uint16_t>(extra, static_cast<std::uint16_t>(numbers.size()));
    extra += numbers;
  }
  std::string out;
  put<std::uint32_t>(out, kZipCentralSignature);
  put<std::uint16_t>(out, numbers.empty() ? kVersionClassic : kVersionZip64);  // made by
  put_common(out, entry, !numbers.empty());
  put<std::uint16_t>(out, static_cast<std::uint16_t>(extra.size()));
  put<std::uint16_t>(out, 0);  // comment
  put<std::uint16_t>(out, 0);  // disk
  put<std::uint16_t>(out, 0);  // internal attributes
  put<std::uint32_t>(out, 0);  // external attributes
  put<std::uint32_t>(out, or_marker(entry.offset));
  return out + entry.name + extra;
}

std::string zip_end_records(std::uint64_t entries, std::uint64_t directory_offset,
                            std::uint64_t directory_bytes) {
  std::string out;
  if (entries >= kZipMarker16 || directory_offset >= kZipMarker32 || directory_bytes >= kZipMarker32) {
    put<std::uint32_t>(out, kZip64EndSignature);
    put<std::uint64_t>(out, kZip64EndBytes - 12);  // what follows this field
    put<std::uint16_t>(out, kVersionZip64);
    put<std::uint16_t>(out, kVersionZip64);
    put<std::uint32_t>(out, 0);  // this disk
    put<std::uint32_t>(out, 0);  // disk of the directory
    put<std::uint64_t>(out, entries);
    put<std::uint64_t>(out, entries);
    put<std::uint64_t>(out, directory_bytes);
    put<std::uint64_t>(out, directory_offset);
    put<std::uint32_t>(out, kZip64LocatorSignature);
    put<std::uint32_t>(out, 0);
    put<std::uint64_t>(out, directory_offset + directory_bytes);
    put<std::uint32_t>(out, 1);  // disks
  }
  put<std::uint32_t>(out, kZipEndSignature);
  put<std::uint16_t>(out, 0);
  put<std::uint16_t>(out, 0);
  put<std::uint16_t>(out, or_marker16(entries));
  put<std::uint16_t>(out, or_marker16(entries));
  put<std::uint32_t>(out, or_marker(directory_bytes));
  put<std::uint32_t>(out, or_marker(directory_offset));
  put<std::uint16_t>(out, 0);  // comment
  return out;
}

}  // namespace anemll::formats
