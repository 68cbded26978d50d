// Which files of a folder or a repository a data set is, by their names alone: one rule for both.
#pragma once

#include "anemll/datasets/dataset.hpp"

#include <string>
#include <vector>

namespace anemll {

/// The files to read out of `names`, which are paths below a folder or in a repository, in the order given.
/// In turn: data files only (no descriptions, no hidden or private names), those of the configuration, one
/// type (Parquet before JSON before text), those of the split. Pure. Data errors, which name `where`: nothing
/// is left; a usage error: a split that is no name.
std::vector<std::string> choose_data_files(const std::vector<std::string>& names,
                                           const DatasetOptions& options, const std::string& where);

}  // namespace anemll
