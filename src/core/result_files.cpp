#include "src/core/result_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
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

namespace {

constexpr const char* kOutput = "--output";

/// Where it lies. A usage error for what no file can take the place of.
fs::path place_of(const std::string& option, const std::string& file) {
  const std::string where = strf("%s %s", option.c_str(), file.c_str());
  const fs::path whole = fs::absolute(file).lexically_normal();
  std::error_code none;
  const fs::file_status there = fs::status(whole, none);
  if (!whole.has_filename() || fs::is_directory(there))
    throw_usage("is a folder", where, "name a file in it");
  if (fs::exists(there) && !fs::is_regular_file(there))
    throw_usage("is no file", where,
                "it is a device, a pipe or a socket, which the result would replace: name a file");
  return whole;
}

}  // namespace

ResultFiles::ResultFiles(const std::vector<std::string>& files, bool overwrite,
                         const std::optional<KeptFile>& kept) {
  std::set<fs::path> names;
  for (const std::string& file : files) {
    const std::string where = strf("%s %s", kOutput, file.c_str());
    const fs::path whole = place_of(kOutput, file);
    if (!names.insert(whole).second) throw_usage("is given twice", where, "drop one of both");
    if (has_name(whole) && !overwrite)
      throw_usage("is there already", where, "give another name, or --overwrite to replace it");
  }
  fs::path begun;
  if (kept) {
    begun = place_of(kept->option, kept->name);
    for (const fs::path& name : names) {
      std::error_code none;
      if (begun == name || fs::equivalent(begun, name, none))
        throw_usage("is the file of --output too", strf("%s %s", kept->option.c_str(), kept->name.c_str()),
                    "give one of both another name: the result would replace what the other holds");
    }
  }
  for (const fs::path& name : names) make_folder(name.parent_path(), kOutput);
  // What is there already may be complete: it is only read then.
  if (kept && !has_name(begun)) make_folder(begun.parent_path(), kept->option);
}

void ResultFiles::make_folder(const fs::path& folder, const std::string& option) {
  const std::vector<fs::path> missing = missing_folders(folder);
  std::error_code failed;
  fs::create_directories(folder, failed);
  made_.insert(made_.end(), missing.begin(), missing.end());
  if (!failed && ::access(folder.c_str(), W_OK | X_OK) != 0) failed = {errno, std::generic_category()};
  if (!failed) return;
  remove_empty(made_);
  throw_system("no file can be made there", folder, failed,
               strf("give %s a name in a folder that takes it", option.c_str()));
}

ResultFiles::~ResultFiles() {
  remove_empty(made_);
}

}  // namespace anemll
