// The part of a data set's card that says which files are which: `configs:` in the YAML front matter of
// README.md. Only the forms that the hub documents are known; anything else there is an error, not a guess.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

/// The card's own file name, at the top of a folder or repository.
inline constexpr std::string_view kCardName = "README.md";

struct CardSplit {
  std::string name;
  std::vector<std::string> patterns;  ///< relative to the data set's folder
};

struct CardConfiguration {
  std::string name = "default";
  bool is_default = false;              ///< `default: true`
  std::string data_dir;                 ///< empty: the folder itself
  std::vector<CardSplit> splits;        ///< of data_files; none: the names of the files below data_dir tell
  std::vector<std::string> other_keys;  ///< settings of a reader that are not ours
};

/// The configurations in their order; none when the card has no `configs:`. A data error names `where`.
std::vector<CardConfiguration> card_configurations(std::string_view card, const std::string& where);

}  // namespace anemll::datasets
