#include "src/datasets/dataset_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/datasets/data_files.hpp"
#include "src/datasets/glob.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <system_error>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

/// All files below `folder` without hidden names, and links that lead nowhere. Linked folders are followed
/// once each.
void collect(const fs::path& folder, std::set<fs::path>& visited, Paths& out) {
  if (!visited.insert(fs::canonical(folder)).second) return;
  Paths entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  for (const fs::path& entry : entries) {
    if (entry.filename().string().starts_with('.')) continue;
    std::error_code none;
    if (fs::is_directory(entry, none)) {
      collect(entry, visited, out);
    } else if (fs::is_regular_file(entry, none) || leads_nowhere(entry)) {
      out.push_back(entry);
    }
  }
}

void require_targets(const Paths& files) {
  for (const fs::path& file : files) {
    if (!leads_nowhere(file)) continue;
    std::error_code none;
    throw_data("is a link to " + fs::read_symlink(file, none).string() + ", which is not there",
               file.string(), "bring the file back, or remove the link to do without it");
  }
}

Paths files_in(const fs::path& folder, const DatasetOptions& options) {
  Paths found;
  std::set<fs::path> visited;
  try {
    collect(folder, visited, found);
  } catch (const fs::filesystem_error& error) {
    throw_data(std::string("cannot list the folder: ") + error.code().message(), error.path1().string(),
               "check its permissions");
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (const fs::path& file : found) names.push_back(file.lexically_relative(folder).generic_string());
  const std::vector<std::string> chosen = choose_data_files(names, options, folder.string());
  const FileKind kind = file_kind(chosen.front());
  std::size_t candidates = 0;
  std::vector<std::string> unlike;
  for (const std::string& name : names) {
    const auto other = data_kind(name);
    if (!other) continue;
    ++candidates;
    if (!alike(*other, kind)) unlike.push_back(name);
  }
  // A file that happens to be named after the split leaves the others out: say which are read.
  log_info(strf("data set: %s of the %zu in %s: ", count_of(chosen.size()).c_str(), candidates,
                folder.string().c_str()) +
           list_of(chosen) + (unlike.empty() ? "" : "; left out, of another type: " + list_of(unlike)));
  Paths files;
  for (const std::string& name : chosen) files.push_back(folder / name);
  require_targets(files);
  return files;
}

}  // namespace

Paths dataset_files(const fs::path& path, const DatasetOptions& options) {
  require_split_name(options.split);
  std::error_code none;
  if (fs::is_directory(path, none)) return files_in(path, options);
  if (fs::exists(path, none)) {
    (void)file_kind(path);
    return {path};
  }
  require_targets({path});
  if (!is_glob(path.string()))
    throw_data("there is nothing of this name", path.string(), "give a file, a folder or a pattern");
  const Paths found = glob_files(path);
  if (found.empty()) {
    throw_data("no file matches this pattern", path.string(),
               "* and ? stand for a part of a name, ** for folders; quote the pattern, so that the shell "
               "leaves it alone");
  }
  Paths files;
  std::copy_if(found.begin(), found.end(), std::back_inserter(files),
               [](const fs::path& file) { return known_kind(file).has_value(); });
  if (files.empty()) (void)file_kind(found.front());
  require_targets(files);
  log_info("data set: " + count_of(files.size()) + " of the pattern " + path.string());
  return files;
}

std::unique_ptr<RecordSource> open_records(const fs::path& file, const FieldList& wanted) {
  switch (file_kind(file)) {
    case FileKind::json:
      return open_json(file, wanted);
    case FileKind::json_lines:
      return open_json_lines(file, wanted);
    case FileKind::text:
      return open_text(file, wanted);
    case FileKind::parquet:
      break;
  }
  return open_parquet(file, wanted);
}

}  // namespace anemll::datasets
