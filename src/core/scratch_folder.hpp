// A folder for what nobody keeps, in the system's place for such (TMPDIR, else /tmp).
#pragma once

#include <filesystem>

namespace anemll {

class ScratchFolder {
 public:
  /// Data error where none can be made.
  ScratchFolder();
  /// Removes it with all that is in it.
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace anemll
