// Which files a path means: a file, a folder or a pattern, and the choice of split and configuration.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "src/datasets/record.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace anemll::datasets {

/// Data errors: nothing there, a link that leads nowhere, what choose_data_files says of a folder.
std::vector<std::filesystem::path> dataset_files(const std::filesystem::path& path,
                                                 const DatasetOptions& options);

std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file, const FieldList& wanted);

}  // namespace anemll::datasets
