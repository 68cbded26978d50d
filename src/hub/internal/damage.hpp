// What is wrong with a file that is there by name: a link whose blob is gone, nothing or half in it, a
// pointer of Git LFS in its place. Cheap looks at the first and the last bytes; what a file says is for its
// reader.
#pragma once

#include <filesystem>
#include <string>

namespace anemll {

/// What the name promises about the content, where that shows whether it was cut.
enum class Content {
  any,
  object,   ///< a JSON object
  tensors,  ///< safetensors: the header says how many bytes there are
  parquet,  ///< ends as it begins
};

/// The damage in words ("a link that leads nowhere"); empty when nothing is seen, or nothing is there.
std::string damage_of(const std::filesystem::path& file, Content content);

/// Whether the file is a link to a blob named by a hash that is not the hash of what it holds. False for
/// large files, which would take too long.
bool differs_from_its_blob_name(const std::filesystem::path& file);

}  // namespace anemll
