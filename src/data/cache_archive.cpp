// A KD cache out of an archive (.tgz, .tar, .tar.zst), as people keep them on a drive. The only file that
// knows libarchive. Of an archive only the files of one cache are taken, by their own names into one folder,
// so that no name in it can lead anywhere else.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/data/kd_cache.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/normalised.hpp"
#include "src/core/output_folder.hpp"
#include "src/core/signals.hpp"
#include "src/core/system_error.hpp"
#include "src/core/work_folder.hpp"
#include "src/data/staging.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

namespace anemll {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

void leave_if_asked() {
  leave_on_signal("unpacking a KD cache", "nothing of it was kept: run the same command again");
}

class Archive {
 public:
  explicit Archive(fs::path path) : path_(std::move(path)), archive_(::archive_read_new()) {
    if (archive_ == nullptr)
      throw_data("cannot be read", path_.string(), "is there enough memory? tar -xf unpacks it too");
    require_content(path_, content_kind(path_), {ContentKind::gzip, ContentKind::zstd, ContentKind::tar},
                    "an archive of a KD cache (.tgz, .tar, .tar.zst)");
    // Not "all": some of those are run as programs of their own.
    ::archive_read_support_filter_gzip(archive_.get());
    ::archive_read_support_filter_zstd(archive_.get());
    ::archive_read_support_format_tar(archive_.get());
    if (::archive_read_open_filename(archive_.get(), path_.c_str(), kBlockBytes) != ARCHIVE_OK) complain();
  }

  /// The next entry; nothing at the end.
  ::archive_entry* next() {
    ::archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(archive_.get(), &entry);
    if (code == ARCHIVE_EOF) return nullptr;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) complain();
    return entry;
  }

  /// Some bytes of the entry, valid until the next call; none at its end.
  std::span<const std::byte> read() {
    buffer_.resize(kBlockBytes);
    const auto got = ::archive_read_data(archive_.get(), buffer_.data(), buffer_.size());
    if (got < 0) complain();
    return {buffer_.data(), static_cast<std::size_t>(got)};
  }

 private:
  [[noreturn]] void complain() const {
    const char* text = ::archive_error_string(archive_.get());
    throw_data("cannot be unpacked: " + std::string(text == nullptr ? "unknown format" : text),
               path_.string(),
               "damaged, or no archive: expected a .tgz, .tar or .tar.zst of a KD cache (tar -tf lists it)");
  }

  struct Close {
    void operator()(::archive* a) const { ::archive_read_free(a); }
  };
  fs::path path_;
  std::unique_ptr<::archive, Close> archive_;
  std::vector<std::byte> buffer_;
};

void unpack_entry(Archive& archive, const fs::path& file) {
  AtomicFile out(file);
  for (auto bytes = archive.read(); !bytes.empty(); bytes = archive.read()) {
    leave_if_asked();
    out.write(bytes);
  }
  out.commit();
}

/// The files of the one cache in `source`, into `folder`.
void unpack(const fs::path& source, const fs::path& folder) {
  Archive archive(source);
  std::optional<fs::path> place;  // of the cache in the archive
  std::set<fs::path> taken;
  std::vector<std::string> left_out;
  while (::archive_entry* entry = archive.next()) {
    leave_if_asked();
    const char* text = ::archive_entry_pathname(entry);
    const fs::path name = fs::path(text == nullptr ? "" : text).lexically_normal();
    const auto type = ::archive_entry_filetype(entry);
    if (type == AE_IFDIR) continue;
    if (type != AE_IFREG || ::archive_entry_hardlink(entry) != nullptr) {
      throw_data("holds " + name.string() + ", which is neither file nor folder", source.string(),
                 "a KD cache has no links: pack its files themselves (tar -h)");
    }
    const fs::path file = folder / name.filename();
    const EntryRule* rule = name.has_filename() ? rule_of(kd_cache_files(), file) : nullptr;
    if (rule == nullptr || rule->role != EntryRole::result) {
      left_out.push_back(name.string());
      continue;
    }
    if (!place) place = name.parent_path();
    if (*place != name.parent_path()) {
      throw_data(
          "holds several caches: in '" + place->string() + "' and in '" + name.parent_path().string() + "'",
          source.string(), "pack one cache into one archive with tar");
    }
    if (!taken.insert(file).second) {
      throw_data("holds " + name.string() + " twice", source.string(), "pack the cache again with tar");
    }
    unpack_entry(archive, file);
  }
  if (taken.empty()) {
    throw_data("holds no KD cache", source.string(),
               "it should have shard_*.pt and meta.json, or index.json and shard_*.h5, in one folder (tar "
               "-tf lists it)");
  }
  if (!left_out.empty()) {
    log_warning(source.string() + ": " + left_out.front() +
                (left_out.size() > 1 ? " and " + std::to_string(left_out.size() - 1) + " more" : "") +
                " left out: no part of a KD cache");
  }
}

/// An HDF5 cache is taken as it is, when every value of it is sound.
void take_hdf5(const fs::path& source, const fs::path& folder, const ImportOptions& options,
               const fs::path& destination, const ImportProgress& progress) {
  if (destination.extension() == ".h5" || options.compress != 0 || !options.with_negatives) {
    throw_usage("holds an HDF5 cache, which is taken as it is", source.string(),
                "give a folder as destination, without --compress and --no-negatives");
  }
  KdCache cache = KdCache::open(folder);
  (void)cache.verify(progress);
  if (cache.info().holdout_sequences > 0) {
    (void)KdCache::open(folder, CachePart::holdout).verify([](std::int64_t, std::int64_t) {});
  }
  sync_directory(folder);
}

}  // namespace

void import_cache_archive(const fs::path& source, const fs::path& given, const ImportOptions& options,
                          const ImportProgress& progress) {
  const fs::path destination = normalised(given);
  if (has_name(destination)) {  // before an hour of work
    if (!options.overwrite) {
      throw_usage("already exists", destination.string(), "use --overwrite to replace it");
    }
    require_replaceable_cache(destination);
  }
  WorkFolder work(destination, ".unpacked", kd_cache_work(), "destination");
  work.take();
  work.clear();  // what a killed import left
  try {
    const fs::path folder = work.path() / "cache";
    std::error_code error;
    fs::create_directory(folder, error);
    if (error) throw_system("cannot create", folder, error);
    unpack(source, folder);
    if (identify_cache(folder) == CacheKind::torch_folder) {
      import_torch_cache(folder, destination, options, progress);
      work.discard();
    } else {
      take_hdf5(source, folder, options, destination, progress);
      work.publish(folder, options.overwrite);
    }
  } catch (...) {
    work.discard();
    throw;
  }
}

}  // namespace anemll
