#include "src/hub/internal/damage.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/content_kind.hpp"
#include "src/hub/internal/blob_hash.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <memory>
#include <string_view>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::string_view kParquet = "PAR1";
constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::uintmax_t kMaxHashed = std::uintmax_t{32} << 20;

bool is_space(char c) {
  // Some writers fill a cut file up with zeros: those are no spaces.
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

/// The bytes that a safetensors file must have by its header; 0 where the header says nothing of the kind.
std::uint64_t promised_bytes(std::string_view bytes) {
  if (bytes.size() < kLengthBytes) return kLengthBytes;
  std::uint64_t header = 0;
  for (std::uint64_t i = 0; i < kLengthBytes; ++i)
    header |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  const std::uint64_t begin = kLengthBytes + header;
  if (header > kMaxHeader || bytes.size() == kLengthBytes || bytes[kLengthBytes] != '{') return 0;
  if (begin > bytes.size()) return begin;
  const Json root = Json::parse(bytes.substr(kLengthBytes, header), nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return 0;
  std::uint64_t end = 0;
  for (const Json& tensor : root) {
    if (!tensor.is_object() || !tensor.contains("data_offsets")) continue;
    const Json& offsets = tensor["data_offsets"];
    if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned())
      end = std::max(end, offsets[1].get<std::uint64_t>());
  }
  return begin + end;
}

std::string cut_of(std::string_view bytes, Content content) {
  if (content == Content::object) {
    std::size_t end = bytes.size();
    while (end > 0 && is_space(bytes[end - 1])) --end;
    return end == 0 || bytes[end - 1] != '}' ? "cut: it does not end as a JSON object does" : "";
  }
  if (content == Content::parquet)
    return bytes.starts_with(kParquet) && !bytes.ends_with(kParquet)
               ? "cut: the end of a Parquet file is not there"
               : "";
  if (content != Content::tensors) return {};
  const std::uint64_t promised = promised_bytes(bytes);
  if (promised <= bytes.size()) return {};
  return strf("cut: %zu bytes of %llu", bytes.size(), static_cast<unsigned long long>(promised));
}

}  // namespace

bool differs_from_its_blob_name(const fs::path& file) {
  std::error_code code;
  if (!fs::is_symlink(file, code) || !fs::is_regular_file(file, code)) return false;
  const std::string name = fs::read_symlink(file, code).filename().string();
  const EtagForm form = etag_form(name);
  if (code || form == EtagForm::unknown || fs::file_size(file, code) > kMaxHashed || code) return false;
  return file_digest(file, form) != name;
}

std::string damage_of(const fs::path& file, Content content) {
  std::error_code code;
  if (!has_name(file)) return {};
  if (!fs::exists(file, code)) return code ? "not readable: " + code.message() : "a link that leads nowhere";
  if (fs::is_directory(file, code)) return "a folder";
  const auto map = MappedFile::open(file);
  const std::string_view bytes(reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size());
  if (bytes.empty()) {
    // A template or a part of a data set may be empty: then the blob has the name of nothing.
    const bool right = content == Content::any && !differs_from_its_blob_name(file);
    return right ? "" : "empty";
  }
  const ContentKind kind = content_kind(map->bytes().first(std::min(map->bytes().size(), kContentLook)));
  for (const ContentKind failed : {ContentKind::lfs_pointer, ContentKind::annex_pointer,
                                   ContentKind::web_page, ContentKind::server_answer}) {
    if (kind == failed) return std::string(content_name(kind));
  }
  return cut_of(bytes, content);
}

}  // namespace anemll
