#include "src/core/normalised.hpp"

namespace anemll {
namespace fs = std::filesystem;

fs::path normalised(const fs::path& path) {
  fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

}  // namespace anemll
