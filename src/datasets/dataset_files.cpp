#include "src/datasets/dataset_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/datasets/glob.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

const std::string kKnown = ".json, .jsonl, .ndjson, .txt, .md (each also with .gz or .zst) and .parquet";

std::optional<FileKind> known_kind(const fs::path& file) {
  fs::path name = file.filename();
  if (name.extension() == ".parquet") return FileKind::parquet;
  if (name.extension() == ".gz" || name.extension() == ".zst") name = name.stem();
  const fs::path extension = name.extension();
  if (extension == ".json") return FileKind::json;
  if (extension == ".jsonl" || extension == ".ndjson") return FileKind::json_lines;
  if (extension == ".txt" || extension == ".md") return FileKind::text;
  return std::nullopt;
}

/// Descriptions that come with data sets of the hub.
bool is_description(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == "dataset_infos.json" || name == "dataset_dict.json";
}

/// Everything below `folder` but hidden names. Linked folders are followed once each.
void collect(const fs::path& folder, std::set<fs::path>& visited, Paths& out) {
  if (!visited.insert(fs::canonical(folder)).second) return;
  Paths entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
  for (const fs::path& entry : entries) {
    if (entry.filename().string().starts_with('.')) continue;
    if (fs::is_directory(entry)) {
      collect(entry, visited, out);
    } else if (fs::is_regular_file(entry) && known_kind(entry) && !is_description(entry)) {
      out.push_back(entry);
    }
  }
}

std::string relative_name(const fs::path& file, const fs::path& folder) {
  return file.lexically_relative(folder).string();
}

std::string names_of(const Paths& files, const fs::path& folder) {
  constexpr std::size_t kShown = 8;
  std::string out;
  for (std::size_t i = 0; i < files.size() && i < kShown; ++i)
    out += (i == 0 ? "" : ", ") + relative_name(files[i], folder);
  return files.size() > kShown ? out + strf(", ... (%zu files)", files.size()) : out;
}

template <typename Keep>
Paths kept(const Paths& files, Keep&& keep) {
  Paths out;
  std::copy_if(files.begin(), files.end(), std::back_inserter(out), keep);
  return out;
}

bool is_letter_or_digit(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// Whether a file is of the configuration: below a folder of its name, or named name-... or name.extension.
bool of_config(const std::string& relative, const std::string& config) {
  const fs::path path(relative);
  for (const fs::path& part : path.parent_path())
    if (part == config) return true;
  const std::string name = path.filename().string();
  return name.starts_with(config) && name.size() > config.size() && !is_letter_or_digit(name[config.size()]);
}

/// A data set's cards and licences are no records, so text counts only where nothing else is; and the same
/// records in two types must not be read twice.
Paths of_one_kind(const Paths& files, const fs::path& folder) {
  const auto is_text = [](const fs::path& file) { return known_kind(file) == FileKind::text; };
  const auto is_parquet = [](const fs::path& file) { return known_kind(file) == FileKind::parquet; };
  const Paths records = kept(files, [&](const fs::path& file) { return !is_text(file); });
  if (records.empty()) return files;
  const Paths parquet = kept(records, is_parquet);
  if (!parquet.empty() && parquet.size() != records.size()) {
    throw_data(
        "the folder has both .parquet and JSON files: " + names_of(records, folder), folder.string(),
        "name the ones you mean with a pattern, for example '" + (folder / "*.parquet").string() + "'");
  }
  return records;
}

Paths of_split(const Paths& files, const fs::path& folder, const std::string& split) {
  const Paths named =
      kept(files, [&](const fs::path& file) { return has_word(relative_name(file, folder), split); });
  if (!named.empty()) return named;
  // Without a word about splits in the folder all of it is what the default asks for.
  if (split == DatasetOptions{}.split) return files;
  throw_data("no file of the split '" + split + "' among " + names_of(files, folder), folder.string(),
             "name the split as the files do, or leave --dataset_split out to read all of them");
}

Paths files_in(const fs::path& folder, const DatasetOptions& options) {
  Paths files;
  std::set<fs::path> visited;
  try {
    collect(folder, visited, files);
  } catch (const fs::filesystem_error& error) {
    throw_data(std::string("cannot list the folder: ") + error.code().message(), error.path1().string(),
               "check its permissions");
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    throw_data("the folder has no data file", folder.string(), "known are " + kKnown);
  }
  if (options.config) {
    const Paths chosen = kept(
        files, [&](const fs::path& file) { return of_config(relative_name(file, folder), *options.config); });
    if (chosen.empty()) {
      throw_data("no file of the configuration '" + *options.config + "' among " + names_of(files, folder),
                 folder.string(),
                 "--dataset_config_name names a sub-folder or the first part of the file names");
    }
    files = chosen;
  }
  return of_split(of_one_kind(files, folder), folder, options.split);
}

}  // namespace

bool has_word(std::string_view name, std::string_view word) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  if (word.empty()) return false;
  for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_letter(name[end]))) return true;
  }
  return false;
}

FileKind file_kind(const fs::path& file) {
  const auto kind = known_kind(file);
  if (!kind) throw_data("the extension tells no file type", file.string(), "known are " + kKnown);
  return *kind;
}

Paths dataset_files(const fs::path& path, const DatasetOptions& options) {
  if (options.split.find_first_of("[+%") != std::string::npos) {
    throw_usage("'" + options.split + "' is more than the name of a split", "--dataset_split",
                "slices and sums of splits are not read: cut the files, or name them with a pattern");
  }
  std::error_code none;
  if (fs::is_directory(path, none)) return files_in(path, options);
  if (fs::exists(path, none)) {
    (void)file_kind(path);
    return {path};
  }
  if (!is_glob(path.string()))
    throw_data("there is nothing of this name", path.string(), "give a file, a folder or a pattern");
  const Paths found = glob_files(path);
  if (found.empty()) {
    throw_data("no file matches this pattern", path.string(),
               "* and ? stand for a part of a name, ** for folders; quote the pattern, so that the shell "
               "leaves it alone");
  }
  const Paths files = kept(found, [](const fs::path& file) { return known_kind(file).has_value(); });
  if (files.empty()) (void)file_kind(found.front());
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
      return open_parquet(file, wanted);
  }
  throw_data("the extension tells no file type", file.string(), "known are " + kKnown);
}

}  // namespace anemll::datasets
