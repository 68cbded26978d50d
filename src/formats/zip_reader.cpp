// The central directory is read and proven consistent once, in the constructor; afterwards every entry is
// known to lie inside the file and apart from all others.
#include "src/formats/internal/zip_reader.hpp"

#include "src/formats/internal/limits.hpp"
#include "src/formats/internal/zip_format.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <zlib.h>

namespace anemll::formats {
namespace {

constexpr std::uint16_t kMethodStored = 0;
constexpr std::uint16_t kMethodDeflated = 8;
// Bits 0 and 6: encryption; 5: patch data; 13: masked headers.
constexpr std::uint16_t kRefusedFlags = 0x0001 | 0x0020 | 0x0040 | 0x2000;

template <typename T>
T load(std::span<const std::byte> bytes, std::uint64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

/// Offset of the end record: the last place where the signature is followed by a comment that ends with the
/// file.
std::optional<std::uint64_t> find_end_record(std::span<const std::byte> bytes) {
  if (bytes.size() < kZipEndBytes) return std::nullopt;
  const std::uint64_t last = bytes.size() - kZipEndBytes;
  const std::uint64_t first = last > kZipMarker16 ? last - kZipMarker16 : 0;
  for (std::uint64_t at = last + 1; at-- > first;) {
    if (load<std::uint32_t>(bytes, at) == kZipEndSignature &&
        load<std::uint16_t>(bytes, at + 20) == last - at) {
      return at;
    }
  }
  return std::nullopt;
}

std::uint32_t crc_of(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(::crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> bytes) {
  return find_end_record(bytes).has_value();
}

ZipReader::ZipReader(std::shared_ptr<const MappedFile> file, const Complaint& complain)
    : file_(std::move(file)), complain_(complain) {
  const std::span<const std::byte> bytes = file_->bytes();
  const std::optional<std::uint64_t> found = find_end_record(bytes);
  if (!found) complain_("the end of the zip directory is missing (cut off, or not a zip file)");
  const std::uint64_t end = *found;
  ByteReader classic(bytes.subspan(static_cast<std::size_t>(end)), complain_, "zip end record");
  classic.skip(4);
  const auto disk = classic.read<std::uint16_t>();
  const auto directory_disk = classic.read<std::uint16_t>();
  std::uint64_t count_here = classic.read<std::uint16_t>();
  std::uint64_t count = classic.read<std::uint16_t>();
  std::uint64_t directory_bytes = classic.read<std::uint32_t>();
  directory_offset_ = classic.read<std::uint32_t>();
  std::uint64_t directory_end = end;
  bool one_disk =
      (disk == 0 || disk == kZipMarker16) && (directory_disk == 0 || directory_disk == kZipMarker16);

  const bool needs_zip64 =
      count == kZipMarker16 || directory_bytes == kZipMarker32 || directory_offset_ == kZipMarker32;
  const bool has_locator = end >= kZip64LocatorBytes &&
                           load<std::uint32_t>(bytes, end - kZip64LocatorBytes) == kZip64LocatorSignature;
  if (needs_zip64 && has_locator) {
    const auto at = load<std::uint64_t>(bytes, end - kZip64LocatorBytes + 8);
    if (at > end || end - at < kZip64EndBytes + kZip64LocatorBytes)
      complain_("the ZIP64 end record is out of place");
    ByteReader large(bytes.subspan(static_cast<std::size_t>(at), kZip64EndBytes), complain_,
                     "ZIP64 end record");
    if (large.read<std::uint32_t>() != kZip64EndSignature) complain_("the ZIP64 end record is missing");
    large.skip(8 + 2 + 2);
    one_disk = large.read<std::uint32_t>() == 0 && large.read<std::uint32_t>() == 0;
    count_here = large.read<std::uint64_t>();
    count = large.read<std::uint64_t>();
    directory_bytes = large.read<std::uint64_t>();
    directory_offset_ = large.read<std::uint64_t>();
    directory_end = at;
  }
  if (!one_disk || count_here != count) complain_("a zip archive in several parts cannot be read");
  if (directory_offset_ > directory_end || directory_bytes > directory_end - directory_offset_) {
    complain_("the zip directory lies outside the file: " + std::to_string(directory_bytes) + " bytes at " +
              std::to_string(directory_offset_));
  }
  read_directory(directory_offset_, directory_bytes, count);
}

void ZipReader::read_directory(std::uint64_t offset, std::uint64_t bytes, std::uint64_t count) {
  const auto part = file_->bytes().subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
  if (count > bytes / kZipCentralBytes) complain_("the zip directory is too short for its entries");
  ByteReader directory(part, complain_, "zip directory");
  entries_.reserve(static_cast<std::size_t>(count));
  by_name_.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    ZipEntry entry = read_central_header(directory);
    if (!by_name_.emplace(entry.name, entries_.size()).second) {
      complain_("the archive has two entries '" + std::string(entry.name) + "'");
    }
    entries_.push_back(entry);
  }
  if (directory.remaining() != 0) complain_("the zip directory is longer than its entries");
  check_overlaps();
}

ZipEntry ZipReader::read_central_header(ByteReader& directory) {
  if (directory.read<std::uint32_t>() != kZipCentralSignature) complain_("the zip directory is damaged");
  directory.skip(2 + 2);
  const auto flags = directory.read<std::uint16_t>();
  const auto method = directory.read<std::uint16_t>();
  directory.skip(2 + 2);
  ZipEntry entry;
  entry.crc = directory.read<std::uint32_t>();
  entry.stored_bytes = directory.read<std::uint32_t>();
  entry.bytes = directory.read<std::uint32_t>();
  const auto name_length = directory.read<std::uint16_t>();
  const auto extra_length = directory.read<std::uint16_t>();
  const auto comment_length = directory.read<std::uint16_t>();
  std::uint64_t disk = directory.read<std::uint16_t>();
  directory.skip(2 + 4);
  std::uint64_t local_offset = directory.read<std::uint32_t>();
  entry.name = directory.text(name_length);
  const std::string label = "zip entry '" + std::string(entry.name) + "'";

  ByteReader extra(directory.take(extra_length), complain_, "zip extra field");
  while (extra.remaining() >= 4) {
    const auto id = extra.read<std::uint16_t>();
    ByteReader field(extra.take(extra.read<std::uint16_t>()), complain_, "ZIP64 extra field");
    if (id != kZip64ExtraId) continue;
    // Only the numbers that are markers in the header are present, in this order.
    if (entry.bytes == kZipMarker32) entry.bytes = field.read<std::uint64_t>();
    if (entry.stored_bytes == kZipMarker32) entry.stored_bytes = field.read<std::uint64_t>();
    if (local_offset == kZipMarker32) local_offset = field.read<std::uint64_t>();
    if (disk == kZipMarker16) disk = field.read<std::uint32_t>();
  }
  directory.skip(comment_length);

  if ((flags & kRefusedFlags) != 0) complain_(label + " is encrypted or of an unknown kind");
  if (method != kMethodStored && method != kMethodDeflated) {
    complain_(label + " uses compression method " + std::to_string(method),
              "store the entries uncompressed, as torch.save does (zip -0)");
  }
  if (disk != 0) complain_("a zip archive in several parts cannot be read");
  entry.deflated = method == kMethodDeflated;
  if (!entry.deflated && entry.bytes != entry.stored_bytes) {
    complain_(label + " has two different sizes: " + std::to_string(entry.bytes) + " and " +
              std::to_string(entry.stored_bytes));
  }
  locate_payload(entry, local_offset, directory_offset_);
  if (entry.deflated) {
    const std::uint64_t limit = kMaxInflatedBase + kMaxInflatedPerFileByte * file_->bytes().size();
    if (entry.bytes > limit || inflated_total_ > limit - entry.bytes) {
      complain_(label + " is compressed too far",
                "store the entries uncompressed, as torch.save does (zip -0)");
    }
    inflated_total_ += entry.bytes;
  }
  return entry;
}

void ZipReader::locate_payload(ZipEntry& entry, std::uint64_t local_offset, std::uint64_t directory_offset) {
  const std::string label = "zip entry '" + std::string(entry.name) + "'";
  const auto outside = [&](std::uint64_t bytes, std::uint64_t at) {
    complain_(label + " lies outside the file: " + std::to_string(bytes) + " bytes at " + std::to_string(at));
  };
  if (local_offset > directory_offset) outside(entry.stored_bytes, local_offset);
  // Payloads end before the directory begins.
  ByteReader local(file_->bytes().subspan(static_cast<std::size_t>(local_offset),
                                          static_cast<std::size_t>(directory_offset - local_offset)),
                   complain_, "zip entry");
  if (local.read<std::uint32_t>() != kZipLocalSignature) complain_(label + " has no local header");
  local.skip(22);
  const auto name_length = local.read<std::uint16_t>();
  const auto extra_length = local.read<std::uint16_t>();
  if (local.text(name_length) != entry.name) complain_(label + " has another name in its local header");
  local.skip(extra_length);
  entry.payload = local_offset + local.position();
  if (entry.stored_bytes > local.remaining()) outside(entry.stored_bytes, entry.payload);
}

void ZipReader::check_overlaps() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  ranges.reserve(entries_.size());
  for (const ZipEntry& entry : entries_)
    ranges.emplace_back(entry.payload, entry.payload + entry.stored_bytes);
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second)
      complain_("zip entries overlap at byte " + std::to_string(ranges[i].first));
  }
}

const ZipEntry* ZipReader::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &entries_[it->second];
}

Payload ZipReader::content(const ZipEntry& entry) const {
  const auto stored = file_->bytes().subspan(static_cast<std::size_t>(entry.payload),
                                             static_cast<std::size_t>(entry.stored_bytes));
  if (!entry.deflated) return {stored, file_};

  const std::string label = "zip entry '" + std::string(entry.name) + "'";
  auto buffer = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(entry.bytes));
  z_stream stream{};
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    complain_("zlib cannot start", "check the zlib installation");
  // zlib counts in 32 bits: feed and drain in pieces. Output never exceeds the size in the directory.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  std::size_t in = 0;
  std::size_t out = 0;
  Bytef none = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t in_piece = std::min(kPiece, stored.size() - in);
    const std::size_t out_piece = std::min(kPiece, buffer->size() - out);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(stored.data() + in));
    stream.avail_in = static_cast<uInt>(in_piece);
    stream.next_out = out_piece > 0 ? reinterpret_cast<Bytef*>(buffer->data() + out) : &none;
    stream.avail_out = static_cast<uInt>(out_piece);
    status = ::inflate(&stream, Z_NO_FLUSH);
    in += in_piece - stream.avail_in;
    out += out_piece - stream.avail_out;
  }
  ::inflateEnd(&stream);
  if (status != Z_STREAM_END || in != stored.size() || out != buffer->size()) {
    complain_(label + " does not inflate to its size, " + std::to_string(buffer->size()) + " bytes");
  }
  const std::span<const std::byte> bytes(*buffer);
  if (entry.crc != 0 && crc_of(bytes) != entry.crc) complain_(label + " fails its checksum");
  return {bytes, std::move(buffer)};
}

Payload ZipReader::checked_content(const ZipEntry& entry) const {
  Payload out = content(entry);
  if (!entry.deflated && entry.crc != 0 && crc_of(out.bytes) != entry.crc) {
    complain_("zip entry '" + std::string(entry.name) + "' fails its checksum");
  }
  return out;
}

}  // namespace anemll::formats
