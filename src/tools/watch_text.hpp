// What anemll_watch shows of a run: a block of lines with a sketch of its losses.
#pragma once

#include "src/plots/sketch.hpp"
#include "src/runs/run_status.hpp"

#include <string>

namespace anemll {

/// Without a sketch where style.height is 0. `name`: how the user calls the folder.
std::string watch_text(const std::string& name, const RunStatus& status, const SketchStyle& style);

/// What of a status is worth another block where blocks follow each other: rows, states, warnings, liveness.
std::string watch_signature(const RunStatus& status);

}  // namespace anemll
