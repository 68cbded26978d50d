// A destination that appears whole or not at all: everything is written into `<name>.partial` beside it,
// which takes its name in one rename. Owns the lock that keeps two writers of one destination apart and the
// removal of what a killed writer left.
#pragma once

#include "anemll/core/file_lock.hpp"

#include <filesystem>

namespace anemll {

/// A usage error unless `path` (which exists) is a .h5 file or a folder with nothing in it but the files of a
/// cache.
void require_replaceable_cache(const std::filesystem::path& path);

/// Absolute and without dots; "dir/" names dir.
std::filesystem::path normalised(const std::filesystem::path& path);

/// Renames `from` to `destination`; with `replace` what was there steps aside first and is removed after.
void put_in_place(const std::filesystem::path& from, const std::filesystem::path& destination, bool replace);

class Staging {
 public:
  /// Refuses an existing destination unless `overwrite`, and then one that is the source or has anything in
  /// it but the files of a KD cache.
  Staging(const std::filesystem::path& source, const std::filesystem::path& destination, bool overwrite);
  /// Removes what was not committed.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// The folder to write into.
  const std::filesystem::path& folder() const { return partial_; }
  /// Gives the folder, or one file of it, the destination's name, replacing what was there. Files in it must
  /// be durable already.
  void commit();
  void commit_file(const std::filesystem::path& file);

 private:
  void lock();
  std::filesystem::path destination_;
  std::filesystem::path partial_;
  bool overwrite_;
  FileLock lock_;
  bool done_ = false;
};

}  // namespace anemll
