#include "anemll/datasets/data_files.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/one_of.hpp"
#include "src/datasets/internal/card.hpp"
#include "src/datasets/internal/file_kinds.hpp"
#include "src/datasets/internal/file_names.hpp"
#include "src/datasets/internal/glob.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace anemll {
namespace datasets {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr std::size_t kShownChoices = 60;  // a data set of many languages has as many configurations
constexpr const char* kReadAll =
    "or read all of them with a pattern: --dataset_name 'FOLDER/**' (anemll_eval: --jsonl)";
const std::string kOrFiles = std::string(", or ") + kNameFiles;
const std::string kOneConfiguration = "choose one of them with --dataset_config_name" + kOrFiles;

template <typename Keep>
Names kept(const Names& names, Keep&& keep) {
  Names out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out), keep);
  return out;
}

std::string joined(const Names& names, const char* between) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : between) + name;
  return out;
}

/// One choice: what is left of the names after each rule, and what to say of it.
class Chooser {
 public:
  Chooser(const DatasetOptions& options, std::string where) : options_(options), where_(std::move(where)) {}

  DataFileChoice choose(const Names& names, std::string_view card) {
    Names files = kept(names, [](const std::string& name) { return data_kind(name).has_value(); });
    if (files.empty()) {
      throw_data("no data file" + (names.empty() ? std::string() : " among " + list_of(names)), where_,
                 "name files with --dataset_name (anemll_eval: --jsonl); known are " + known_extensions());
    }
    const std::vector<CardConfiguration> configurations = card_configurations(card, where_);
    if (configurations.empty()) {
      by_names(options_.config ? of_config(files) : files);
      return std::move(out_);
    }
    const CardConfiguration& chosen = of_card(configurations);
    why("the card's configuration '" + chosen.name + "'");
    for (const std::string& key : chosen.other_keys)
      out_.inventory.add(Fate::left_out, "key", key,
                         "the card's configuration has settings of another reader");
    if (chosen.splits.empty()) {
      const Names own = kept(files, [&](const std::string& name) {
        return chosen.data_dir.empty() || name.starts_with(chosen.data_dir + "/");
      });
      if (own.empty()) {
        throw_data("no data file in the folder '" + chosen.data_dir + "' of the card's configuration '" +
                       chosen.name + "'",
                   where_, "fetch what is missing" + kOrFiles);
      }
      by_names(own);
    } else {
      by_patterns(files, chosen);
    }
    return std::move(out_);
  }

 private:
  void why(const std::string& what) { out_.why += (out_.why.empty() ? "" : ", ") + what; }
  void leave_out(const Names& all, const Names& taken, const char* reason) {
    for (const std::string& name : all)
      if (!is_one_of(name, taken)) out_.inventory.add(Fate::left_out, "data file", name, reason);
  }

  const CardConfiguration& of_card(const std::vector<CardConfiguration>& all) const {
    Names names;
    for (const CardConfiguration& one : all) names.push_back(one.name);
    const auto named = [&](const std::string& name) {
      return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
    };
    if (options_.config) {
      const auto at = named(*options_.config);
      if (at != all.end()) return *at;
      throw_data("no configuration '" + *options_.config + "' in its card, which has " +
                     list_of(names, kShownChoices),
                 where_, kOneConfiguration);
    }
    auto at = std::find_if(all.begin(), all.end(), [](const auto& one) { return one.is_default; });
    if (at == all.end()) at = named("default");
    if (at == all.end() && all.size() == 1) at = all.begin();
    if (at != all.end()) return *at;
    throw_data("there are several configurations and none is chosen: " + list_of(names, kShownChoices),
               where_, kOneConfiguration);
  }

  void by_patterns(const Names& files, const CardConfiguration& chosen) {
    const std::string wanted = lower_case(options_.split);
    const CardSplit* split = nullptr;
    Names names, of_any;
    for (const CardSplit& one : chosen.splits) {
      names.push_back(one.name);
      if (lower_case(one.name) == wanted) split = &one;
    }
    if (split == nullptr) {
      throw_data("no split '" + options_.split + "' in the configuration '" + chosen.name +
                     "' of its card, which has " + list_of(names),
                 where_, "choose with --dataset_split " + joined(names, " or ") + kOrFiles);
    }
    const Names found = kept(files, [&](const std::string& name) {
      return std::any_of(split->patterns.begin(), split->patterns.end(), [&](const std::string& pattern) {
        return matches_path(pattern, name) || (!is_glob(pattern) && name.starts_with(pattern + "/"));
      });
    });
    if (found.empty()) {
      throw_data("the card says '" + list_of(split->patterns) + "' for the split '" + split->name +
                     "', but no data file has such a name among " + list_of(files),
                 where_, "fetch what is missing" + kOrFiles);
    }
    why("split '" + split->name + "' (" + list_of(split->patterns) + ")");
    out_.files = of_one_type(found);
  }

  /// Without a card: the sub-folder, or the beginning of the file names; with wildcards all groups that
  /// match.
  Names of_config(const Names& files) {
    const std::string& config = *options_.config;
    if (is_glob(config)) {
      Names found = kept(files, [&](const std::string& name) {
        return matches_path(config, group_name(label_of(name, lower_case(options_.split), false).group));
      });
      if (found.empty()) fail_config(files);
      any_group_ = true;
      why("sub-folders " + config);
      return found;
    }
    std::map<std::string, Names> places;
    for (const std::string& name : files)
      if (const auto place = place_of_config(name, config)) places[*place].push_back(name);
    if (places.empty()) fail_config(files);
    if (places.size() > 1) {
      Names names;
      for (const auto& [place, inside] : places) names.push_back(place);
      throw_data("the configuration '" + config + "' may be each of " + list_of(names), where_, kNameFiles);
    }
    const auto& [place, inside] = *places.begin();
    why((place.ends_with('*') ? "files " : "folder ") + place);
    return inside;
  }
  [[noreturn]] void fail_config(const Names& files) const {
    throw_data("no file of the configuration '" + *options_.config + "' among " + list_of(files), where_,
               "--dataset_config_name names a sub-folder or what stands before the split in the file names");
  }

  /// The same records in two types must not be read twice, and where there are records, texts describe them.
  Names of_one_type(const Names& names) {
    for (const FileKind kind : {FileKind::parquet, FileKind::arrow, FileKind::json, FileKind::csv}) {
      Names found = kept(names, [&](const std::string& name) { return alike(*data_kind(name), kind); });
      if (found.empty()) continue;
      leave_out(names, found, "it is of another type than those that are read");
      return found;
    }
    return names;
  }

  void by_names(const Names& all) {
    const Names files = of_one_type(all);
    const bool prose = *data_kind(files.front()) == FileKind::text;
    const std::string wanted = lower_case(options_.split);
    std::vector<NameLabel> labels;
    std::set<std::string> splits;
    for (const std::string& name : files) {
      labels.push_back(label_of(name, wanted, prose));
      if (!labels.back().split.empty()) splits.insert(labels.back().split);
      if (!labels.back().unsure.empty()) splits.insert(labels.back().unsure);
    }
    Names found;
    std::map<std::string, std::size_t> groups;
    const bool no_word = splits.empty() && wanted == DatasetOptions{}.split;  // all of it, then
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!no_word && labels[i].split != wanted) {
        if (labels[i].split.empty() && labels[i].unsure.empty())
          out_.inventory.add(Fate::left_out, "data file", files[i],
                             "its name tells no split, others' names do");
        continue;
      }
      found.push_back(files[i]);
      ++groups[group_name(labels[i].group)];
    }
    if (found.empty()) fail_split(files, splits);
    require_one_group(groups);
    why(no_word ? "no name tells a split" : "split '" + wanted + "' by their names");
    out_.files = std::move(found);
  }

  [[noreturn]] void fail_split(const Names& files, std::set<std::string> splits) const {
    Names names;
    for (const SplitWords& words : known_splits())
      if (splits.erase(words.front()) != 0) names.push_back(words.front());
    names.insert(names.end(), splits.begin(), splits.end());
    throw_data("no file of the split '" + options_.split + "' among " + list_of(files), where_,
               names.empty() ? "no name tells a split: leave --dataset_split out to read all of them"
                             : "choose with --dataset_split " + joined(names, " or ") + kOrFiles);
  }

  /// Groups may be configurations of one data set, or one may be a sample of another: reading all of them is
  /// nothing that names can decide.
  void require_one_group(const std::map<std::string, std::size_t>& groups) const {
    if (any_group_ || groups.size() < 2) return;
    Names names;
    for (const auto& [name, count] : groups) names.push_back(name == "." ? ". (the folder itself)" : name);
    throw_data("there may be several data sets in it and none is chosen: " + list_of(names, kShownChoices),
               where_, std::string("choose one of them with --dataset_config_name, ") + kReadAll);
  }

  const DatasetOptions& options_;
  std::string where_;
  bool any_group_ = false;
  DataFileChoice out_;
};

}  // namespace

}  // namespace datasets

DataFileChoice choose_data_files(const std::vector<std::string>& names, const DatasetOptions& options,
                                 const std::string& where, std::string_view card) {
  datasets::require_split_name(options.split);
  return datasets::Chooser(options, where).choose(names, card);
}

}  // namespace anemll
