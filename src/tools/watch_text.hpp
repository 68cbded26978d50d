// What anemll_watch shows of a run: a block of lines with a sketch of its losses.
#pragma once

#include "src/plots/sketch.hpp"
#include "src/runs/recipe_status.hpp"
#include "src/runs/run_status.hpp"

#include <string>

namespace anemll {

/// `name`: how the user calls the folder.
std::string watch_text(const std::string& name, const RunStatus& status);
/// The line above that of a recipe in `name`; without a training to show it also says what is waited for.
std::string watch_recipe_text(const std::string& name, const RecipeStatus& recipe);
/// The losses, as far as the run has them, to stand below the text. Empty where style.height is 0.
std::string watch_sketch(const RunStatus& status, const SketchStyle& style);

/// What of a status is worth another block where blocks follow each other: rows, states, warnings, liveness.
std::string watch_signature(const RunStatus& status);

}  // namespace anemll
