// What a path given as a cache is. Looks at names and first bytes only.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/system_error.hpp"
#include "src/data/schema.hpp"
#include "src/data/torch_shards.hpp"

#include <string>

#include <nlohmann/json.hpp>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr const char* kExpected =
    "expected a folder with index.json and .h5 shards (made by anemll_precompute or anemll_cache import), "
    "one .h5 file, or a "
    "folder with "
    "shard_*.pt and meta.json";

}  // namespace

CacheKind identify_cache(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) throw_data("does not exist", path.string(), kExpected);
  if (error) throw_system("cannot be read", path, error);
  if (!fs::is_directory(status)) {
    const ContentKind content = content_kind(path);
    if (content == ContentKind::hdf5) return CacheKind::hdf5_file;
    require_content(path, content, {}, "a KD cache");
    throw_data("is not an HDF5 file", path.string(), kExpected);
  }
  if (fs::exists(path / kIndexName, error)) return CacheKind::hdf5_folder;
  if (!list_torch_shards(path).shards.empty()) return CacheKind::torch_folder;
  throw_data("is not a KD cache", path.string(), kExpected);
}

bool is_plainly_cache(const fs::path& path) {
  try {
    switch (identify_cache(path)) {
      case CacheKind::hdf5_file:
        return true;
      case CacheKind::torch_folder:
        return fs::exists(path / "meta.json");
      case CacheKind::hdf5_folder: {
        const auto index = nlohmann::json::parse(read_text(path / kIndexName), nullptr, false);
        if (!index.is_object()) return false;
        const auto format = index.find("format");
        return format != index.end() && *format == kCacheFormat;
      }
    }
  } catch (const Error&) {
  }
  return false;
}

}  // namespace anemll
