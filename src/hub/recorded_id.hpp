// A model's id as a file of a run records it, so that it is found again from another working folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace anemll {

/// What to write for `id` as it was typed: the absolute path where it names something here, else `id` itself.
std::string id_to_record(const std::string& id);

/// The revision to write beside the id: nothing where it is not read (a local path) and for the default
/// branch, which is what a file without it means.
std::optional<std::string> revision_to_record(const std::string& id, const std::string& revision);

/// What `id`, read from a file in `folder`, names now: `id` itself when it is absolute or a hub name, else
/// the path below `folder`, one of the folders around it, or the working folder. A data error that names
/// `file` when it looks like a path and nothing is there.
std::string recorded_id(const std::string& id, const std::filesystem::path& file);

}  // namespace anemll
