#include "src/datasets/internal/card.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/internal/file_names.hpp"
#include "src/datasets/internal/yaml_subset.hpp"

#include <algorithm>
#include <utility>

namespace anemll::datasets {
namespace {

using Kind = YamlNode::Kind;

class CardReader {
 public:
  explicit CardReader(const std::string& where) : where_(where) {}

  CardConfiguration configuration(const YamlNode& node) const {
    if (node.kind != Kind::map) fail("an entry is no configuration");
    CardConfiguration out;
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      const std::string& key = node.keys[i];
      const YamlNode& value = node.items[i];
      if (key == "config_name") {
        out.name = text(value, key);
      } else if (key == "default") {
        out.is_default = value.text == "true" || value.text == "True";
      } else if (key == "data_dir") {
        if (value.kind != Kind::null) out.data_dir = folder(text(value, key));
      } else if (key == "data_files") {
        data_files(value, out.splits);
      } else if (value.kind != Kind::null) {
        out.other_keys.push_back(key);
      }
    }
    if (out.data_dir.empty()) return out;
    for (CardSplit& split : out.splits)
      for (std::string& pattern : split.patterns) pattern.insert(0, out.data_dir + "/");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw_data("the card's `configs:` cannot be read: " + what, where_,
               std::string("mend the card, or ") + kNameFiles);
  }
  std::string text(const YamlNode& node, const std::string& key) const {
    if (node.kind != Kind::scalar) fail("'" + key + "' is no text");
    return node.text;
  }
  static std::string folder(std::string name) {
    while (name.ends_with('/')) name.pop_back();
    while (name.starts_with("./")) name.erase(0, 2);
    return name == "." ? std::string() : name;
  }
  std::string pattern(const YamlNode& node) const {
    std::string out = text(node, "path");
    if (out.find("://") != std::string::npos)
      fail("data_files: '" + out + "' lies elsewhere than this data set");
    while (out.starts_with("./")) out.erase(0, 2);
    return out;
  }

  void add(std::vector<CardSplit>& splits, const std::string& name, const YamlNode& paths) const {
    auto at =
        std::find_if(splits.begin(), splits.end(), [&](const auto& split) { return split.name == name; });
    if (at == splits.end()) at = splits.insert(splits.end(), {name, {}});
    if (paths.kind != Kind::list) {
      at->patterns.push_back(pattern(paths));
      return;
    }
    for (const YamlNode& path : paths.items) at->patterns.push_back(pattern(path));
  }

  /// A pattern or a list of them are the train split; else each entry names its own.
  void data_files(const YamlNode& node, std::vector<CardSplit>& splits) const {
    if (node.kind == Kind::null) return;
    if (node.kind == Kind::scalar) return add(splits, "train", node);
    if (node.kind == Kind::map) {
      for (std::size_t i = 0; i < node.keys.size(); ++i) add(splits, node.keys[i], node.items[i]);
      return;
    }
    for (const YamlNode& entry : node.items) {
      if (entry.kind == Kind::scalar) {
        add(splits, "train", entry);
        continue;
      }
      const YamlNode* split = entry.find("split");
      const YamlNode* path = entry.find("path");
      if (path == nullptr) fail("an entry of data_files has no path");
      add(splits, split != nullptr ? text(*split, "split") : "train", *path);
    }
  }

  const std::string& where_;
};

}  // namespace

std::vector<CardConfiguration> card_configurations(std::string_view card, const std::string& where) {
  const std::string place = where + "/" + std::string(kCardName);
  const YamlNode configs = front_matter_value(card, "configs", place);
  std::vector<CardConfiguration> out;
  if (configs.kind == Kind::null) return out;
  if (configs.kind != Kind::list) {
    const std::string found = configs.kind == Kind::scalar ? "'" + configs.text + "'" : "a map";
    throw_data("the card's `configs:` cannot be read: it is no list, but " + found, place,
               std::string("mend the card, or ") + kNameFiles);
  }
  const CardReader reader(place);
  for (const YamlNode& node : configs.items) {
    out.push_back(reader.configuration(node));
    const auto same = [&](const auto& other) { return other.name == out.back().name; };
    if (std::count_if(out.begin(), out.end(), same) > 1) {
      throw_data("the card's `configs:` has two of the name '" + out.back().name + "'", place,
                 std::string("mend the card, or ") + kNameFiles);
    }
  }
  return out;
}

}  // namespace anemll::datasets
