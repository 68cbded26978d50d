// A lock between processes, on a file that exists for nothing else.
#pragma once

#include <filesystem>

namespace anemll {

/// Exclusive; ends with the object, and with the process however that ends. Where the file system has no
/// locks, everybody gets it: a missing protection must not stop anyone.
class FileLock {
 public:
  FileLock() = default;
  ~FileLock() { release(); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Makes `file` when it is not there; it stays when the lock ends. False: another lock holds it. A data
  /// error when the file cannot be made. What was held before is released.
  [[nodiscard]] bool take(const std::filesystem::path& file);
  /// The same on the folder itself, in which no file is left.
  [[nodiscard]] bool take_folder(const std::filesystem::path& folder);
  void release();
  /// The same, and the file goes where this object made it.
  void leave();
  bool is_held() const { return fd_ >= 0; }

 private:
  bool lock();
  int fd_ = -1;
  std::filesystem::path made_;  ///< the file, where it was not there before
};

}  // namespace anemll
