// Types of data files by their names, and lists of names for messages.
#pragma once

#include "src/datasets/internal/record.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace anemll::datasets {

/// For messages: ".json, .jsonl, ...".
std::string known_extensions();
/// By extension, in any case; nothing for other files.
std::optional<FileKind> known_kind(const std::filesystem::path& file);
/// The same; a data error lists the extensions that are known.
FileKind file_kind(const std::filesystem::path& file);

/// Of a path below a data set's folder: nothing for descriptions, hidden and private files too.
std::optional<FileKind> data_kind(const std::string& name);
/// Whether both are Parquet, Arrow, JSON, CSV or text.
bool alike(FileKind a, FileKind b);

/// The extension without the dot, in lower case.
std::string extension_of(const std::filesystem::path& file);

/// Whether the last extension is a compression's.
bool is_packed(const std::filesystem::path& file);

std::string count_of(std::size_t files);
/// The first `shown`, and how many there are.
std::string list_of(const std::vector<std::string>& names, std::size_t shown = 8);

}  // namespace anemll::datasets
