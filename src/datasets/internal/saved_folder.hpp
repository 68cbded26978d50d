// Folders that the datasets library of Python saved (save_to_disk). What they hold is said by their index
// files, not by the files that lie in them: a folder that was saved into twice has files of the first time,
// too.
#pragma once

#include "anemll/core/inventory.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace anemll::datasets {

/// The files below a folder, and those of them that index files leave out.
struct SavedFiles {
  std::vector<std::string> names;
  Inventory inventory;
};

/// `names` are paths below `folder`. Where a folder has a state.json of that library, the data files in it
/// and below it are those that `_data_files` lists, in this order; where it has a dataset_dict.json, the
/// saved folders in it are the splits that are listed. Listed files need not be there. A data error: an index
/// file that is damaged, and a folder that has both.
SavedFiles saved_files(const std::filesystem::path& folder, const std::vector<std::string>& names);

/// The end of a hint: the way past index files.
std::string name_arrow_files(const std::filesystem::path& folder);

}  // namespace anemll::datasets
