// The folder beside a result in which a start keeps its finished blocks: RESULT.start. It belongs to one
// start, by all that its blocks depend on. Rank 0 alone.
#pragma once

#include "src/core/work_folder.hpp"

#include <filesystem>
#include <string>

namespace anemll {

/// What to do with the blocks of an earlier start.
enum class EarlierStart {
  refuse,      ///< usage error, which names both remedies
  go_on,       ///< those of the same start are used; usage error where it is another one
  start_anew,  ///< they go
  as_it_fits,  ///< go on where it is the same start, else they go; both are told
};

class StartWork {
 public:
  /// `flag` names the result in hints.
  StartWork(const std::filesystem::path& result, const std::string& flag);

  /// Takes the folder for the start of this identity (start_identity). Usage errors as of WorkFolder::take.
  void open(const std::string& identity, EarlierStart earlier);
  std::filesystem::path blocks() const { return work_.path(); }

  /// A folder for what will be published, empty.
  std::filesystem::path make_result() const;
  /// Gives it the result's name and removes the rest.
  void publish(bool replace);
  /// The result was put into place by other means: removes the folder.
  void discard() { work_.discard(); }
  /// The result is there: what a process left that was killed while it removed the folder goes.
  void discard_left();

 private:
  std::filesystem::path identity_file() const;
  WorkFolder work_;
};

}  // namespace anemll
