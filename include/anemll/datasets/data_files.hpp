// Which files of a folder or a repository a data set is, by their names and its card: one rule for both.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/datasets/dataset.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct DataFileChoice {
  std::vector<std::string> files;  ///< in the order of the names given
  std::string why;                 ///< "the card's configuration 'default', split 'train'"
  Inventory inventory;             ///< data files that no rule reads
};

/// The files to read out of `names`, which are paths below a folder or in a repository. `card`: the text of
/// its README.md, empty when there is none. A card with `configs:` decides; else folders and exact parts of
/// file names tell configurations and splits. What may be one data set or several is never mixed. Pure. Data
/// errors name `where` and list the choice there is; a usage error: a split that is no name.
DataFileChoice choose_data_files(const std::vector<std::string>& names, const DatasetOptions& options,
                                 const std::string& where, std::string_view card = {});

}  // namespace anemll
