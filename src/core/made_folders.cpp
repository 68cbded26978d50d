// A folder that another process uses meanwhile is not empty: removal leaves it.
#include "src/core/internal/made_folders.hpp"

#include <algorithm>
#include <system_error>

#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;

std::vector<fs::path> missing_folders(const fs::path& folder) {
  std::vector<fs::path> missing;
  std::error_code none;
  fs::path at = fs::absolute(folder, none).lexically_normal();
  while (!at.empty() && at != at.parent_path() &&
         fs::symlink_status(at, none).type() == fs::file_type::not_found) {
    missing.push_back(at);
    at = at.parent_path();
  }
  std::reverse(missing.begin(), missing.end());
  return missing;
}

void remove_empty(std::span<const fs::path> folders) noexcept {
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) ::rmdir(folder->c_str());
}

}  // namespace anemll
