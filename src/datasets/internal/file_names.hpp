// What the names of data files and their folders say about splits and configurations, part by part. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

/// The way past all rules of names and cards. anemll_eval has no option for a configuration or a split.
inline constexpr const char* kNameFiles =
    "name the files to read: --dataset_name 'FOLDER/*.parquet' (anemll_eval: --jsonl)";

/// Words that stand for one split; the first is its name.
using SplitWords = std::vector<std::string>;
const std::vector<SplitWords>& known_splits();

std::string lower_case(std::string_view text);

/// A file's name without its extensions.
std::string stem_of(std::string_view file);

/// What one path says. Parts of a name end at '-', '.' and its ends; a number may follow:
/// train-00000-of-00002, train_0. In `en_train` the last part is train too, `train_sft` is a name of its own.
struct NameLabel {
  std::string split;   ///< the name of a known split, or `wanted`; empty: none is told
  std::string unsure;  ///< a name with a split's word in it that is no exact part: "train_sft"
  /// What sets this file apart from others of its split: its folders and, where the file's own name tells the
  /// split, the rest of that name ("en*").
  std::vector<std::string> group;
};

/// `wanted`: a split name in lower case, looked for besides the known ones. `prose`: the names of text files
/// are titles, so only a whole name is a split.
NameLabel label_of(const std::string& path, const std::string& wanted, bool prose);

/// The group as a path; "." for the top.
std::string group_name(const std::vector<std::string>& group);

/// How the path belongs to the configuration: the folder ("data/en") or the beginning of the file names
/// ("en*"); nothing when it does not.
std::optional<std::string> place_of_config(const std::string& path, const std::string& config);

/// A path against a pattern of the card: * and ? within a name, ** for any folders.
bool matches_path(std::string_view pattern, std::string_view path);

/// A usage error for slices and sums of splits.
void require_split_name(const std::string& split);

}  // namespace anemll::datasets
