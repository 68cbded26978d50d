// The two front ends of read_torch_file: the zip archive of today's torch.save, and the run of pickles
// that it wrote before and still writes with _use_new_zipfile_serialization=False.
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/core/content_kind.hpp"
#include "src/formats/internal/byte_reader.hpp"
#include "src/formats/internal/pickle.hpp"
#include "src/formats/internal/torch_tree.hpp"
#include "src/formats/internal/zip_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

namespace anemll {
namespace {

using formats::Complaint;
using formats::Payload;
using formats::PickleDocument;
using formats::StorageRecord;
using formats::ZipEntry;
using formats::ZipReader;

constexpr const char* kHint =
    "the file is damaged, incomplete or not from torch.save; copy it again, or save it again with "
    "torch.save: 'unzip -t' "
    "tests it";

// The pickle of 0x1950a86a20f9469cfc6c with which every legacy file begins.
constexpr std::array<unsigned char, 15> kLegacyMagic = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                                        0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};
constexpr std::int64_t kLegacyProtocol = 1001;
constexpr int kMaxArchiveVersion = 10;

bool is_legacy(std::span<const std::byte> bytes) {
  return bytes.size() >= kLegacyMagic.size() &&
         std::memcmp(bytes.data(), kLegacyMagic.data(), kLegacyMagic.size()) == 0;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Records beside the pickle that would change its meaning.
void check_archive_kind(const ZipReader& zip, const std::string& root, const Complaint& complain) {
  if (zip.find(root + "constants.pkl") != nullptr) {
    complain("this is a TorchScript archive", "save a state_dict() with torch.save instead");
  }
  if (const ZipEntry* order = zip.find(root + "byteorder"); order != nullptr) {
    if (as_text(zip.checked_content(*order).bytes) != "little") {
      complain("the tensors are not little-endian",
               "save the file again with torch.save on a little-endian machine");
    }
  }
  const ZipEntry* version = zip.find(root + "version");
  if (version == nullptr) version = zip.find(root + ".data/version");
  if (version == nullptr) return;
  const Payload content = zip.checked_content(*version);
  const std::string_view text = as_text(content.bytes);
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  if (number < 1 || number > kMaxArchiveVersion) {
    complain("the archive has the unknown version '" + std::string(text.substr(0, 16)) + "'");
  }
}

TorchValue read_zip(const std::shared_ptr<const MappedFile>& file, const Complaint& complain) {
  const ZipReader zip(file, complain);
  if (zip.entries().empty()) complain("the archive is empty");
  const std::string_view first = zip.entries().front().name;
  const std::string root(first.substr(0, first.find('/') + 1));
  const ZipEntry* pickle = zip.find(root + "data.pkl");
  if (pickle == nullptr) complain("the archive has no data.pkl");
  check_archive_kind(zip, root, complain);
  const Payload pickled = zip.checked_content(*pickle);
  const PickleDocument document = formats::parse_pickle(pickled.bytes, complain);
  if (document.consumed != pickled.bytes.size()) complain("there are bytes after the end of the pickle");

  const auto lookup = [&](const StorageRecord& record) {
    const ZipEntry* entry = zip.find(root + "data/" + record.key);
    if (entry == nullptr) complain("storage '" + record.key + "' is missing");
    if (entry->bytes != static_cast<std::uint64_t>(record.bytes)) {
      complain("storage '" + record.key + "' has " + std::to_string(entry->bytes) +
               " bytes, the pickle says " + std::to_string(record.bytes));
    }
    return zip.content(*entry);
  };
  return formats::build_tree(document, lookup, complain);
}

/// Pickles back to back: magic, protocol, system, object, storage keys; then the storages.
class LegacyReader {
 public:
  LegacyReader(std::shared_ptr<const MappedFile> file, const Complaint& complain)
      : file_(std::move(file)), complain_(complain), reader_(file_->bytes(), complain, "file") {}

  TorchValue read() {
    reader_.skip(kLegacyMagic.size());
    const PickleDocument protocol = next_pickle();
    const auto* number = protocol.get<std::int64_t>(protocol.root);
    if (number == nullptr || *number != kLegacyProtocol) complain_("unknown version of the legacy format");
    check_byte_order(next_pickle());
    const PickleDocument object = next_pickle();
    read_storages(next_pickle(), object);
    if (reader_.remaining() != 0) complain_("there are bytes after the last storage");
    return formats::build_tree(
        object,
        [&](const StorageRecord& record) {
          const auto it = storages_.find(record.key);
          if (it == storages_.end()) complain_("storage '" + record.key + "' is missing");
          return Payload{it->second, file_};
        },
        complain_);
  }

 private:
  PickleDocument next_pickle() {
    PickleDocument document = formats::parse_pickle(file_->bytes().subspan(reader_.position()), complain_);
    reader_.skip(document.consumed);
    return document;
  }

  void check_byte_order(const PickleDocument& system) {
    const auto* dict = system.get<formats::DictNode>(system.root);
    if (dict == nullptr) complain_("the description of the writing system is missing");
    for (const auto& [key, value] : dict->items) {
      const auto* name = system.get<std::string>(key);
      const auto* flag = system.get<bool>(value);
      if (name != nullptr && *name == "little_endian" && (flag == nullptr || !*flag)) {
        complain_("the tensors are not little-endian",
                  "save the file again with torch.save on a little-endian machine");
      }
    }
  }

  void read_storages(const PickleDocument& keys, const PickleDocument& object) {
    const auto* list = keys.get<formats::SequenceNode>(keys.root);
    if (list == nullptr) complain_("the list of storages is missing");
    for (const formats::NodeId id : list->items) {
      const auto* key = keys.get<std::string>(id);
      if (key == nullptr) complain_("the list of storages is damaged");
      const auto it = object.storage_by_key.find(*key);
      if (it == object.storage_by_key.end()) complain_("no tensor uses storage '" + *key + "'");
      const StorageRecord& record = object.storages[it->second];
      if (reader_.read<std::int64_t>() != record.count) {
        complain_("storage '" + *key + "' has another size than the pickle says");
      }
      const auto bytes = reader_.take(static_cast<std::uint64_t>(record.bytes));
      if (!storages_.emplace(*key, bytes).second) complain_("storage '" + *key + "' is there twice");
    }
  }

  std::shared_ptr<const MappedFile> file_;
  const Complaint& complain_;
  formats::ByteReader reader_;
  std::unordered_map<std::string, std::span<const std::byte>> storages_;
};

}  // namespace

TorchValue read_torch_file(const std::filesystem::path& path) {
  return read_torch_file(MappedFile::open(path));
}

TorchValue read_torch_file(const std::shared_ptr<const MappedFile>& file) {
  const Complaint complain(file->path(), kHint);
  const std::span<const std::byte> bytes = file->bytes();
  if (bytes.empty()) complain("the file is empty");
  require_content(file->path(), bytes, {ContentKind::zip, ContentKind::pickle}, "a file of torch.save");
  if (is_legacy(bytes)) return LegacyReader(file, complain).read();
  return read_zip(file, complain);
}

}  // namespace anemll
