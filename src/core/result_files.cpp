#include "src/core/result_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/internal/made_folders.hpp"
#include "src/core/system_error.hpp"

#include <cerrno>
#include <set>

#include <unistd.h>

namespace anemll {
namespace fs = std::filesystem;

void add_overwrite_option(OptionTable& table, bool* overwrite) {
  table.add_flag("overwrite", overwrite, "replace a file that is at --output already");
}

ResultFiles::ResultFiles(const std::vector<std::string>& files, bool overwrite) {
  std::set<fs::path> names;
  std::error_code none;
  for (const std::string& file : files) {
    const fs::path whole = fs::absolute(file).lexically_normal();
    if (!whole.has_filename() || fs::is_directory(whole, none))
      throw_usage("is a folder", "--output " + file, "name a file in it");
    if (!names.insert(whole).second) throw_usage("is given twice", "--output " + file, "drop one of both");
    if (has_name(whole) && !overwrite)
      throw_usage("is there already", "--output " + file, "give another name, or --overwrite to replace it");
  }
  for (const fs::path& name : names) make_folder(name.parent_path());
}

void ResultFiles::make_folder(const fs::path& folder) {
  const std::vector<fs::path> missing = missing_folders(folder);
  std::error_code failed;
  fs::create_directories(folder, failed);
  made_.insert(made_.end(), missing.begin(), missing.end());
  if (!failed && ::access(folder.c_str(), W_OK | X_OK) != 0) failed = {errno, std::generic_category()};
  if (!failed) return;
  remove_empty(made_);
  throw_system("no file can be made there", folder, failed, "give --output a name in a folder that takes it");
}

ResultFiles::~ResultFiles() {
  remove_empty(made_);
}

}  // namespace anemll
