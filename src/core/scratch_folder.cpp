#include "src/core/scratch_folder.hpp"

#include "anemll/core/error.hpp"
#include "src/core/system_error.hpp"

#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

namespace anemll {

ScratchFolder::ScratchFolder() {
  std::error_code none;
  std::filesystem::path place = std::filesystem::temp_directory_path(none);
  if (none) place = "/tmp";
  std::string name = (place / "anemll-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw_data("cannot make a folder for a while", place.string(), "TMPDIR names another place");
  path_ = name;
}

ScratchFolder::ScratchFolder(std::filesystem::path folder) : path_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directory(path_, error);
  if (error) throw_system("cannot create", path_, error);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace anemll
