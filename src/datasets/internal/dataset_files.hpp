// Which files a path means: a file, a folder or a pattern, and the choice of split and configuration.
#pragma once

#include "anemll/core/inventory.hpp"
#include "anemll/datasets/dataset.hpp"
#include "src/datasets/internal/record.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anemll::datasets {

struct DatasetFiles {
  std::vector<std::filesystem::path> files;  ///< in the order of reading
  std::string why;                           ///< what chose them
  Inventory inventory;                       ///< data files beside them that no rule reads
};

/// Data errors: nothing there, a link that leads nowhere, what choose_data_files says of a folder.
DatasetFiles dataset_files(const std::filesystem::path& path, const DatasetOptions& options);

/// What a file is by its content, the name is a hint only: text of any compression, JSON that a name does not
/// tell, Parquet, Arrow. `plain`: a text file is one document, whatever is in it. A data error, with what to
/// do, for what is no file of a data set.
FileKind kind_by_content(const std::filesystem::path& file, bool plain);

std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file, FileKind kind,
                                           const FieldList& wanted);

}  // namespace anemll::datasets
