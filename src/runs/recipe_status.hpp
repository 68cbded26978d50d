// How a recipe goes (launch/recipe.sh), by the files of its OUT alone: the stages, and the newest of its
// trainings. A look reads only, as one at a run does.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

struct RecipeStatus {
  std::optional<std::filesystem::path> training;  ///< the folder in OUT whose log was written last
  std::string stage;  ///< begun and not done: at work, or stopped; empty between two stages
  bool over = false;  ///< all stages are done
  bool held = false;  ///< a program of this host is seen to be at work in it; false says nothing
};

/// Nothing for what is no OUT of a recipe: it has no folder `stages`, or a log of its own.
std::optional<RecipeStatus> look_at_recipe(const std::filesystem::path& folder);

}  // namespace anemll
