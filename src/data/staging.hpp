// A KD cache that appears whole or not at all: everything is written into the work folder `<name>.partial`
// beside it, and takes its name in one rename. Owns what may be overwritten.
#pragma once

#include "src/core/work_folder.hpp"

#include <filesystem>

namespace anemll {

/// A usage error unless `path` (which exists) is a .h5 file or a folder with nothing in it but the files of a
/// cache.
void require_replaceable_cache(const std::filesystem::path& path);

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
  const std::filesystem::path& folder() const { return cache_; }
  /// Gives the folder, or one file of it, the destination's name, replacing what was there. Files in it must
  /// be durable already.
  void commit();
  void commit_file(const std::filesystem::path& file);

 private:
  void publish(const std::filesystem::path& made);
  std::filesystem::path destination_;
  WorkFolder work_;
  std::filesystem::path cache_;
  bool overwrite_;
  bool done_ = false;
};

}  // namespace anemll
