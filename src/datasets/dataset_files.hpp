// Which files a path means: a file, a folder or a pattern, and the choice of split and configuration.
#pragma once

#include "anemll/datasets/dataset.hpp"
#include "src/datasets/record.hpp"

#include <filesystem>
#include <memory>
#include <vector>

namespace anemll::datasets {

/// By extension; a data error lists the extensions that are known.
FileKind file_kind(const std::filesystem::path& file);

/// Data errors: nothing there, no data file, no file of the configuration or split.
std::vector<std::filesystem::path> dataset_files(const std::filesystem::path& path,
                                                 const DatasetOptions& options);

/// Whether `word` stands in `name` with no letter beside it.
bool has_word(std::string_view name, std::string_view word);

std::unique_ptr<RecordSource> open_records(const std::filesystem::path& file, const FieldList& wanted);

}  // namespace anemll::datasets
