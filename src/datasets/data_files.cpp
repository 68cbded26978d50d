#include "src/datasets/data_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <string_view>
#include <utility>

namespace anemll {
namespace datasets {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

const std::string kKnown = ".json, .jsonl, .ndjson, .txt, .md (each also with .gz or .zst) and .parquet";

/// Files that lie beside data without being data, and text of these names whatever its extension.
constexpr std::array<std::string_view, 6> kDescriptions = {"dataset_info.json", "dataset_infos.json",
                                                           "dataset_dict.json", "state.json",
                                                           "config.json",       "croissant.json"};
constexpr std::array<std::string_view, 4> kDescribingTexts = {"readme", "license", "licence", "requirements"};

/// The words that stand for a split; the first is its name. As the datasets library of Python has them.
using Words = std::vector<std::string>;
const std::array<Words, 3> kSplits = {Words{"train", "training"}, Words{"validation", "valid", "val", "dev"},
                                      Words{"test", "testing", "eval", "evaluation"}};

template <typename Range, typename Value>
bool has(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

template <typename Keep>
Names kept(const Names& names, Keep&& keep) {
  Names out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out), keep);
  return out;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// Whether one of `words` stands in `name`, which is in lower case, with no letter beside it.
bool has_word(std::string_view name, const Words& words) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  for (const std::string& word : words) {
    if (word.empty()) continue;
    for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
      const std::size_t end = at + word.size();
      if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_letter(name[end]))) return true;
    }
  }
  return false;
}

/// Whether the file is of the split: the word nearest to the file's own name tells, so that
/// train_test/test.json is no training data.
bool is_of(const std::string& name, const Words& split) {
  for (fs::path rest = lower(name); !rest.empty(); rest = rest.parent_path()) {
    const std::string part = rest.filename().string();
    if (has_word(part, split)) return true;
    if (std::any_of(kSplits.begin(), kSplits.end(),
                    [&](const Words& other) { return has_word(part, other); }))
      return false;
  }
  return false;
}

/// Below a folder of the configuration's name, or named name-... or name.extension.
bool of_config(const std::string& name, const std::string& config) {
  const fs::path path(name);
  const fs::path folder = path.parent_path();
  if (has(folder, fs::path(config))) return true;
  const std::string file = path.filename().string();
  return file.starts_with(config) && file.size() > config.size() &&
         std::isalnum(static_cast<unsigned char>(file[config.size()])) == 0;
}

/// The same records in two types must not be read twice, and where there are records, texts describe them.
Names of_one_type(const Names& names) {
  for (const FileKind kind : {FileKind::parquet, FileKind::json}) {
    Names found = kept(names, [&](const std::string& name) { return alike(*data_kind(name), kind); });
    if (!found.empty()) return found;
  }
  return names;
}

Names of_split(const Names& names, const std::string& split, const std::string& where) {
  const std::string name = lower(split);
  const auto known =
      std::find_if(kSplits.begin(), kSplits.end(), [&](const Words& words) { return words.front() == name; });
  Names found;
  if (known != kSplits.end()) {
    found = kept(names, [&](const std::string& file) { return is_of(file, *known); });
  } else {
    found = kept(names, [&](const std::string& file) { return has_word(lower(file), {name}); });
  }
  if (!found.empty()) return found;
  std::string others;
  for (const Words& words : kSplits) {
    if (std::any_of(names.begin(), names.end(), [&](const std::string& file) { return is_of(file, words); }))
      others += (others.empty() ? "" : " or ") + words.front();
  }
  // Without a word about splits all of it is what the default asks for.
  if (others.empty() && name == DatasetOptions{}.split) return names;
  throw_data("no file of the split '" + split + "' among " + list_of(names), where,
             others.empty() ? "no name tells a split: leave --dataset_split out to read all of them"
                            : "choose with --dataset_split " + others +
                                  ", or name the files to read with a path or a pattern");
}

}  // namespace

std::string extension_of(const fs::path& file) {
  const std::string extension = lower(file.extension().string());
  return extension.empty() ? extension : extension.substr(1);
}

std::optional<FileKind> known_kind(const fs::path& file) {
  std::string extension = extension_of(file);
  if (extension == "parquet") return FileKind::parquet;
  if (extension == "gz" || extension == "zst") extension = extension_of(file.stem());
  if (extension == "json") return FileKind::json;
  if (extension == "jsonl" || extension == "ndjson") return FileKind::json_lines;
  if (extension == "txt" || extension == "md") return FileKind::text;
  return std::nullopt;
}

FileKind file_kind(const fs::path& file) {
  const auto kind = known_kind(file);
  if (!kind) throw_data("the extension tells no file type", file.string(), "known are " + kKnown);
  return *kind;
}

std::optional<FileKind> data_kind(const std::string& name) {
  const fs::path path(name);
  // Hidden and private folders and files belong to tools.
  for (const fs::path& part : path)
    if (part.string().starts_with('.') || part.string().starts_with("__")) return std::nullopt;
  const std::string file = lower(path.filename().string());
  if (has(kDescriptions, file)) return std::nullopt;
  const auto kind = known_kind(path);
  if (kind == FileKind::text && has(kDescribingTexts, file.substr(0, file.find('.')))) return std::nullopt;
  return kind;
}

bool alike(FileKind a, FileKind b) {
  const auto is_json = [](FileKind kind) { return kind == FileKind::json || kind == FileKind::json_lines; };
  return a == b || (is_json(a) && is_json(b));
}

void require_split_name(const std::string& split) {
  if (split.find_first_of("[+%") == std::string::npos) return;
  throw_usage("'" + split + "' is more than the name of a split", "--dataset_split",
              "slices and sums of splits are not read: cut the files, or name them with a pattern");
}

std::string count_of(std::size_t files) {
  return strf("%zu file%s", files, files == 1 ? "" : "s");
}

std::string list_of(const Names& names) {
  constexpr std::size_t kShown = 8;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) out += ", ... (" + count_of(names.size()) + ")";
  // Names may come from a server, and go to a terminal.
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
  return out;
}

}  // namespace datasets

std::vector<std::string> choose_data_files(const std::vector<std::string>& names,
                                           const DatasetOptions& options, const std::string& where) {
  using namespace datasets;
  require_split_name(options.split);
  Names files = kept(names, [](const std::string& name) { return data_kind(name).has_value(); });
  if (files.empty()) {
    throw_data("no data file" + (names.empty() ? std::string() : " among " + list_of(names)), where,
               "known are " + kKnown);
  }
  if (options.config) {
    Names chosen = kept(files, [&](const std::string& name) { return of_config(name, *options.config); });
    if (chosen.empty()) {
      throw_data("no file of the configuration '" + *options.config + "' among " + list_of(files), where,
                 "--dataset_config_name names a sub-folder or the first part of the file names");
    }
    files = std::move(chosen);
  }
  return of_split(of_one_type(files), options.split, where);
}

}  // namespace anemll
