#include "src/datasets/internal/saved_folder.hpp"

#include "anemll/core/error.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/shell_word.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/value.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace anemll::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kState = "state.json";
constexpr const char* kDict = "dataset_dict.json";
constexpr const char* kFilesKey = "_data_files";

/// What to do where the index file does not help.
std::string without_index(const fs::path& file) {
  return "save the data set again, or " + name_arrow_files(file.parent_path());
}

Value read_index(const fs::path& file) {
  Value root = parse_json(read_input_text(file));
  if (root.kind != Value::Kind::object)
    throw_data("is no JSON object: nothing else tells which files the data set has", file.string(),
               without_index(file));
  return root;
}

/// Missing where the index file has no such key, and is not that library's.
Value key_of(const Value& index, const char* key) {
  const Value* found = index.find(key);
  return found == nullptr ? Value{} : *found;
}

/// The files that a state.json lists, which lie beside it.
std::vector<std::string> listed_files(const fs::path& state, const Value& index) {
  const Value list = key_of(index, kFilesKey);
  std::vector<std::string> out;
  if (!key_of(index, "_indices_data_files").empty())
    throw_data("the rows of the data set are chosen by another file (\"_indices_data_files\")",
               state.string(),
               "write the chosen rows in Python: datasets.load_from_disk(OLD).flatten_indices()"
               ".save_to_disk(NEW), then --dataset_name NEW");
  for (const Value& item : list.items) {
    const Value* name = item.find("filename");
    const bool plain = name != nullptr && name->kind == Value::Kind::text && name->text != ".." &&
                       !name->text.empty() && fs::path(name->text).filename() == name->text;
    if (!plain)
      throw_data("an entry of \"_data_files\" is no name of a file beside it: " + item.json(), state.string(),
                 without_index(state));
    out.push_back(name->text);
  }
  if (out.empty())
    throw_data("lists no file in \"_data_files\", but is " + list.json(), state.string(),
               without_index(state));
  return out;
}

/// "a/b/c" -> "a/b/"; "c" -> "".
std::string folder_of(const std::string& name) {
  return name.substr(0, name.rfind('/') + 1);
}

class Saved {
 public:
  Saved(const fs::path& folder, const std::vector<std::string>& names) : folder_(folder) {
    out_.names = names;
    std::set<std::string> with_arrow;
    for (const std::string& name : names)
      if (data_kind(name) == FileKind::arrow) with_arrow.insert(folder_of(name));
    for (const std::string& name : names) {
      const std::string own = folder_of(name);
      if (fs::path(name).filename() != kState || with_arrow.count(own) == 0) continue;
      Value index = read_index(folder_ / name);
      if (!key_of(index, kFilesKey).empty())  // an empty list chooses nothing
        states_.emplace(own, std::move(index));
    }
    for (const std::string& name : names)
      if (fs::path(name).filename() == kDict && !states_.empty()) choose_splits(name);
    // A folder stands before all below it, which are no part of what was saved in it.
    std::string above = "/";
    for (const auto& [own, index] : states_) {
      if (own.starts_with(above)) continue;
      choose_files(own + kState, index);
      above = own;
    }
  }
  SavedFiles take() { return std::move(out_); }

 private:
  /// Takes the data files of `folder` for which `drop` holds out of the names. Gives where the first was.
  template <typename Drop>
  std::size_t leave_out(const Drop& drop, const std::string& why) {
    std::vector<std::string> kept;
    std::size_t first = out_.names.size();
    for (std::string& name : out_.names) {
      if (!drop(name)) {
        kept.push_back(std::move(name));
        continue;
      }
      first = std::min(first, kept.size());
      if (!why.empty() && data_kind(name)) out_.inventory.add(Fate::left_out, "data file", name, why);
    }
    out_.names = std::move(kept);
    return std::min(first, out_.names.size());
  }

  void choose_files(const std::string& state, const Value& index) {
    const std::vector<std::string> listed = listed_files(folder_ / state, index);
    const std::string folder = folder_of(state);
    std::set<std::string> files;
    for (const std::string& name : listed) files.insert(folder + name);
    leave_out(
        [&](const std::string& name) {
          return name.starts_with(folder) && data_kind(name) && files.count(name) == 0;
        },
        "the index file " + state + " does not list it");
    const std::size_t at = leave_out([&](const std::string& name) { return files.count(name) != 0; }, {});
    std::vector<std::string> in_order;
    for (const std::string& name : listed) in_order.push_back(folder + name);
    out_.names.insert(out_.names.begin() + static_cast<std::ptrdiff_t>(at), in_order.begin(), in_order.end());
  }

  void choose_splits(const std::string& dict) {
    const Value splits = key_of(read_index(folder_ / dict), "splits");
    if (splits.kind != Value::Kind::list) return;
    const std::string folder = folder_of(dict);
    if (states_.count(folder) != 0)
      throw_data("has the index files of two data sets, state.json and dataset_dict.json",
                 (folder_ / folder).string(),
                 "remove the older one with rm, or name the folder of a split with --dataset_name");
    for (auto at = states_.begin(); at != states_.end();) {
      const std::string split = at->first;
      const auto here = at++;
      if (!split.starts_with(folder)) continue;
      const std::string name = split.substr(folder.size(), split.size() - folder.size() - 1);
      const bool listed = std::any_of(splits.items.begin(), splits.items.end(), [&](const Value& item) {
        return item.kind == Value::Kind::text && item.text == name;
      });
      if (listed) continue;
      states_.erase(here);
      leave_out([&](const std::string& file) { return file.starts_with(split); },
                "the index file " + dict + " does not list its split");
    }
  }

  fs::path folder_;
  std::map<std::string, Value> states_;  ///< by saved folder, with a / at its end: its state.json
  SavedFiles out_;
};

}  // namespace

std::string name_arrow_files(const fs::path& folder) {
  return "name the files to read: --dataset_name " + shell_word((folder / "*.arrow").string());
}

SavedFiles saved_files(const fs::path& folder, const std::vector<std::string>& names) {
  return Saved(folder, names).take();
}

}  // namespace anemll::datasets
