// The folder beside the output in which an unfinished cache lies: OUT.precompute with plan, tokens, finished
// micro-batches and shards. The output appears in one rename when all is there. Rank 0 owns it.
#pragma once

#include "src/core/work_folder.hpp"
#include "src/teacher/internal/plan.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

class Workspace {
 public:
  enum class State {
    fresh,     ///< nothing made yet; `start` comes next
    resumed,   ///< plan() holds what is going on
    complete,  ///< the output is the finished cache of this very plan
  };

  /// Decides what there is to do for `output`. `identity_json` is what this run would make;
  /// `earlier_identity_json`, if not empty, how earlier versions of the program would have named the same,
  /// which is as good. Usage errors: the output or an unfinished run is there and neither `resume` nor
  /// `overwrite` says what to do (both are named), another process is at work, the run to resume was started
  /// otherwise.
  Workspace(const std::filesystem::path& output, const std::string& identity_json, bool resume,
            bool overwrite, const std::string& earlier_identity_json = {});

  State state() const { return state_; }
  const Plan& plan() const { return plan_; }
  /// Whether the output that is there is to be replaced.
  bool replaces() const { return replace_; }
  /// Makes the plan durable, after the token file.
  void start(const Plan& plan);
  /// Gives `cache` (a folder in here) the output's name, then removes this folder.
  void publish(const std::filesystem::path& cache);
  /// Removes this folder; the output was put into place by other means.
  void discard();

  const std::filesystem::path& folder() const { return work_.path(); }
  static std::filesystem::path tokens_file(const std::filesystem::path& folder);
  static std::filesystem::path plan_file(const std::filesystem::path& folder);
  static std::filesystem::path units_folder(const std::filesystem::path& folder);
  static std::filesystem::path cache_folder(const std::filesystem::path& folder);

 private:
  void take();
  void look_at_folder(const std::string& identity_json, bool resume, bool overwrite);
  void look_at_output(const std::string& identity_json, bool resume, bool overwrite);
  std::filesystem::path output_;
  WorkFolder work_;
  State state_ = State::fresh;
  bool replace_ = false;
  std::string earlier_identity_;
  std::string earlier_plan_;  // id of a plan with it
  Plan plan_;
};

}  // namespace anemll
