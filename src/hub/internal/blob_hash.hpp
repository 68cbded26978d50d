// Whether a file is what its etag says: SHA-256 for large files, git's blob SHA-1 for ordinary ones.
#pragma once

#include <filesystem>
#include <string>

namespace anemll {

enum class EtagForm {
  sha256,    ///< 64 hexadecimal digits
  git_sha1,  ///< 40 hexadecimal digits: SHA-1 of "blob <length>\0" and the content
  unknown,   ///< names no hash: nothing but the size can be checked
};

EtagForm etag_form(const std::string& etag);

/// The hash of that form in lower case; empty for `unknown`. Throws a data error if the file cannot be read.
std::string file_digest(const std::filesystem::path& file, EtagForm form);

}  // namespace anemll
