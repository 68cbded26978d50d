// The one table of a model's files: which are needed for what, and what it means when one is not there. It
// serves the choice of what to download, what a folder lacks, and what is asked for or told.
#pragma once

#include "anemll/hub/hub.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace anemll {

/// The files to download, out of all names of a repository. Those of every use: a snapshot serves all
/// programs.
std::vector<std::string> choose_model_files(const std::vector<std::string>& names, ModelUse use);

/// What the folder lacks of the files that the use cannot do without, and which of its files are damaged;
/// empty when it has what is needed.
std::string missing_of_model(const std::filesystem::path& folder, ModelUse use);

/// The damage of one of the model's files by its path in the folder; see damage.hpp.
std::string damage_of_model_file(const std::filesystem::path& folder, const std::string& path);

/// Files that change the result where the repository has them.
std::vector<std::string> wished_of_model(ModelUse use);

/// Says what it means that the repository was not asked for the files `unknown`, and which files do not have
/// the content that their names in the cache stand for. `why`: what forbids to ask.
void tell_of_model(const std::filesystem::path& folder, const std::vector<std::string>& unknown,
                   const std::string& why, ModelUse use);

/// Throws a data error for a damaged file of the use in a folder that is no snapshot of ours.
void check_local_model(const std::filesystem::path& folder, ModelUse use);

}  // namespace anemll
