// The one fact that changes with every commit, in a file of its own: a commit recompiles nothing else.
#pragma once

namespace anemll {

/// Defined in a file that each build writes from `git describe`.
const char* build_git_describe();

}  // namespace anemll
