// A folder beside a result in which the result is made, so that it appears in one rename, whole. Nobody's
// folder of the same name is taken for one: ours carry a mark, which is the lock, and hold no names but those
// of a table. One process at a time.
#pragma once

#include "src/core/file_lock.hpp"
#include "src/core/output_folder.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

class WorkFolder {
 public:
  /// The work folder of `result`: its name and `suffix`, beside it. `product`: what may lie in it; its lock
  /// is the mark. `flag` is named in hints.
  WorkFolder(std::filesystem::path result, std::string_view suffix, const Product& product, std::string flag);

  /// A folder that this process has and that holds no work goes: it would be taken for a killed one's.
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  bool is_there() const;

  /// Makes the folder, or takes over what a killed process left: temporaries go, and a result that it had
  /// moved out of its successor's way gets its name back. Usage errors, before anything is changed: the
  /// folder is somebody's own, another process has it.
  void take();
  /// Removes what is known in it but the mark; the folder stays this process's.
  void clear();
  /// Gives `made` (an entry of this folder) the result's name, and removes this folder. With `replace` the
  /// result that is there goes; without, a usage error says that there is one now.
  void publish(const std::filesystem::path& made, bool replace);
  /// Removes this folder. What somebody else put into it stays, and is told.
  void discard();

 private:
  void require_ours() const;
  bool is_known(const std::filesystem::path& entry) const;
  bool holds_work() const;
  std::filesystem::path mark() const;
  std::filesystem::path replaced() const;

  std::filesystem::path result_;
  std::filesystem::path folder_;
  const Product& product_;
  std::string flag_;
  std::vector<std::filesystem::path> made_;  // by `take`, with those above
  FileLock lock_;
};

}  // namespace anemll
