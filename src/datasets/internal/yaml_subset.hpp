// The YAML that data set cards use for one key: block maps and lists, flow ones, plain and quoted scalars,
// comments. Anchors, tags and several documents are errors. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;             ///< scalar
  std::vector<YamlNode> items;  ///< of a list, or the values of a map
  std::vector<std::string> keys;

  /// The value of a map's key, or nullptr.
  const YamlNode* find(std::string_view key) const;
};

/// The value of the top-level `key` in a front matter; null when there is no front matter or no such key.
/// A data error names `where` and the line.
YamlNode front_matter_value(std::string_view text, std::string_view key, const std::string& where);

}  // namespace anemll::datasets
