// Everything before the teacher runs: names to files, text to blocks, options to a plan. Rank 0 only.
#pragma once

#include "anemll/hub/hub.hpp"
#include "anemll/model/model_files.hpp"
#include "anemll/teacher/precompute.hpp"
#include "src/teacher/workspace.hpp"

#include <memory>
#include <string>

namespace anemll {

struct Prepared {
  std::unique_ptr<Workspace> workspace;
  std::string teacher_path;  ///< folder or .gguf file
};

/// `dtype`: the resolved one. Packs the text and starts the plan unless the workspace has one already.
Prepared prepare_precompute(const PrecomputeOptions& options, const std::string& dtype, int threads);

}  // namespace anemll
