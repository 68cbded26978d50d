// A folder for what nobody keeps, in the system's place for such (TMPDIR, else /tmp) or where the
// caller says.
#pragma once

#include <filesystem>

namespace anemll {

class ScratchFolder {
 public:
  /// Data error where none can be made.
  ScratchFolder();
  /// This very folder, which is made: for what processes of other hosts are to see.
  explicit ScratchFolder(std::filesystem::path folder);
  /// Removes it with all that is in it.
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace anemll
