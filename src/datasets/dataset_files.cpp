#include "src/datasets/internal/dataset_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "anemll/datasets/data_files.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"
#include "src/core/system_error.hpp"
#include "src/datasets/internal/card.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/file_names.hpp"
#include "src/datasets/internal/glob.hpp"
#include "src/datasets/internal/json_shape.hpp"
#include "src/datasets/internal/saved_folder.hpp"
#include "src/datasets/internal/text_window.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <utility>

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
               file.string(), "bring the file back, or do without it: rm " + shell_word(file.string()));
  }
}

DatasetFiles files_in(const fs::path& folder, const DatasetOptions& options) {
  Paths found;
  std::set<fs::path> visited;
  try {
    collect(folder, visited, found);
  } catch (const fs::filesystem_error& error) {
    throw_system("cannot list the folder", error.path1(), error.code());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (const fs::path& file : found) names.push_back(file.lexically_relative(folder).generic_string());
  std::error_code none;
  const fs::path card = folder / kCardName;
  SavedFiles saved = saved_files(folder, names);
  DataFileChoice chosen =
      choose_data_files(saved.names, options, folder.string(),
                        fs::is_regular_file(card, none) ? read_input_text(card) : std::string());
  const auto candidates = static_cast<std::size_t>(std::count_if(
      names.begin(), names.end(), [](const auto& name) { return data_kind(name).has_value(); }));
  DatasetFiles out{{}, std::move(chosen.why), std::move(chosen.inventory)};
  out.inventory.add(saved.inventory);
  // A file that happens to be named after the split leaves the others out: say which are read.
  log_info(strf("data set: %s of the %zu in %s (%s): ", count_of(chosen.files.size()).c_str(), candidates,
                folder.string().c_str(), out.why.c_str()) +
           list_of(chosen.files));
  for (const std::string& name : chosen.files) out.files.push_back(folder / name);
  require_targets(out.files);
  for (const fs::path& file : out.files) {
    if (!fs::exists(file, none))
      throw_data("is not there, but the index file state.json beside it lists it", file.string(),
                 "copy or download it again, or " + name_arrow_files(file.parent_path()));
  }
  return out;
}

/// Of a file of text: more likely than a text in HTML is that a server sent a page in place of the file. A
/// record holds any text.
void require_no_page(const fs::path& file, ContentKind content) {
  if (content != ContentKind::web_page && content != ContentKind::xml &&
      content != ContentKind::server_answer && content != ContentKind::lfs_pointer)
    return;
  throw_data("is " + std::string(content_name(content)) + ", where a text is read", file.string(),
             content_advice(content, file) +
                 "; if this is the text that you want, make a record of it: python3 -c 'import json; "
                 "print(json.dumps({\"text\": open(0).read()}))' < " +
                 shell_word(file.string()) + " > " + shell_word(file.stem().string() + ".jsonl"));
}

/// What chooses among the files of a folder chooses nothing of files that are named themselves.
void count_idle_options(const DatasetOptions& options, Inventory& inventory) {
  const char* why =
      "it chooses among the files of a folder; what is named as a file or a pattern is read whole";
  if (options.config)
    inventory.add(Fate::left_out, "option", "--dataset_config_name " + *options.config, why);
  if (options.split != DatasetOptions{}.split)
    inventory.add(Fate::left_out, "option", "--dataset_split " + options.split, why);
}

}  // namespace

DatasetFiles dataset_files(const fs::path& path, const DatasetOptions& options) {
  require_split_name(options.split);
  std::error_code none;
  if (fs::is_directory(path, none)) return files_in(path, options);
  if (fs::exists(path, none)) {
    if (!known_kind(path)) (void)kind_by_content(path, options.format == RecordFormat::plain);
    DatasetFiles out{{path}, "the name that was given", {}};
    count_idle_options(options, out.inventory);
    return out;
  }
  require_targets({path});
  if (!is_glob(path.string())) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    throw_data(
        "there is nothing of this name", path.string(),
        "give a file, a folder or a pattern; this lists what is there: ls " + shell_word(folder.string()));
  }
  const Paths found = glob_files(path);
  if (found.empty()) {
    throw_data(
        "no file matches this pattern", path.string(),
        "* and ? stand for a part of a name, ** for folders; quote the pattern, so that the shell leaves it "
        "alone, as in 'FOLDER/*.jsonl'; ls 'FOLDER' lists what is there");
  }
  DatasetFiles out{{}, "the pattern that is given", {}};
  count_idle_options(options, out.inventory);
  for (const fs::path& file : found) {
    if (known_kind(file)) {
      out.files.push_back(file);
    } else {
      out.inventory.add(Fate::left_out, "file", file.string(), "the extension tells no file type");
    }
  }
  if (out.files.empty()) (void)file_kind(found.front());
  require_targets(out.files);
  log_info("data set: " + count_of(out.files.size()) + " of the pattern " + path.string());
  return out;
}

FileKind kind_by_content(const fs::path& file, bool plain) {
  const std::optional<FileKind> named = known_kind(file);
  const ContentKind content = compression_of(file);
  if (content == ContentKind::parquet) return FileKind::parquet;
  if (content == ContentKind::arrow_file || content == ContentKind::arrow_stream) return FileKind::arrow;
  if (named == FileKind::text && plain) require_no_page(file, content);
  require_content(file, content, {ContentKind::gzip, ContentKind::zstd, ContentKind::bzip2, ContentKind::xz},
                  "a file of a data set");
  const bool table = named == FileKind::parquet || named == FileKind::arrow;
  if (named == FileKind::json || (named == FileKind::text && plain)) return *named;
  TextWindow window(file);
  const bool is_json = window.peek() == '{' || window.peek() == '[';
  if (named == FileKind::json_lines) return is_spread_json(window) ? FileKind::json : FileKind::json_lines;
  if (is_json && begins_json_record(window))
    return is_spread_json(window) ? FileKind::json : FileKind::json_lines;
  if (named && !table) return *named;
  if (named && !is_compression(content)) return *named;  // damaged, or empty: its reader says how
  require_content(file, content, {}, "a Parquet or Arrow file");
  return file_kind(file);  // throws
}

std::unique_ptr<RecordSource> open_records(const fs::path& file, FileKind kind, const FieldList& wanted) {
  switch (kind) {
    case FileKind::json:
      return open_json(file, wanted);
    case FileKind::json_lines:
      return open_json_lines(file, wanted);
    case FileKind::csv:
      return open_csv(file, wanted);
    case FileKind::text:
      return open_text(file, wanted);
    case FileKind::arrow:
      return open_arrow(file, wanted);
    case FileKind::parquet:
      break;
  }
  return open_parquet(file, wanted);
}

}  // namespace anemll::datasets
