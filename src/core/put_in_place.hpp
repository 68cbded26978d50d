// The last step of a file that was made under another name.
#pragma once

#include <filesystem>

namespace anemll {

/// `draft` takes the place of `target`. Where that fails the draft is removed and the system's error thrown:
/// what is half made does not stay in a folder of results.
void put_in_place(const std::filesystem::path& draft, const std::filesystem::path& target);

}  // namespace anemll
