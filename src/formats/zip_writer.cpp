// Checksums are known before a header is written, so no data descriptors and no seeking back.
#include "src/formats/internal/zip_writer.hpp"

#include <utility>

#include <zlib.h>

namespace anemll::formats {

void ZipWriter::add(std::string name, std::span<const std::byte> bytes) {
  ZipStoredEntry entry;
  entry.name = std::move(name);
  entry.bytes = bytes.size();
  // zlib takes a null pointer for "give me the initial value", which is also the CRC of nothing.
  entry.crc = static_cast<std::uint32_t>(
      bytes.empty() ? 0 : ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  entry.offset = file_.offset();
  file_.write(zip_local_header(entry));
  file_.write(bytes);
  entries_.push_back(std::move(entry));
}

void ZipWriter::add(std::string name, const std::string& text) {
  add(std::move(name), std::as_bytes(std::span(text.data(), text.size())));
}

void ZipWriter::finish() {
  const std::uint64_t offset = file_.offset();
  for (const ZipStoredEntry& entry : entries_) file_.write(zip_central_header(entry));
  const std::uint64_t bytes = file_.offset() - offset;
  file_.write(zip_end_records(entries_.size(), offset, bytes));
}

std::uint64_t ZipWriter::overhead(std::size_t name_length) {
  constexpr std::uint64_t kExtraBytes = 20 + 4 + kZipPayloadAlignment + 28;
  return kZipLocalBytes + kZipCentralBytes + 2 * name_length + kExtraBytes;
}

}  // namespace anemll::formats
