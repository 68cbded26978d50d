#include "src/datasets/internal/yaml_subset.hpp"

#include "anemll/core/error.hpp"
#include "src/datasets/internal/file_names.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace anemll::datasets {
namespace {

constexpr int kMaxDepth = 32;  // a card has six levels; a hostile one must not use up the stack

struct Line {
  std::size_t indent = 0;
  std::string text;        ///< without indentation, comment and trailing white space
  std::size_t number = 0;  ///< in the file, from 1
};

/// Where the quoted text that begins at `at` ends, behind its quote; npos when it does not end.
std::size_t quote_end(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
        ++i;
      } else {
        return i + 1;
      }
    }
  }
  return std::string_view::npos;
}

/// Whether a quote at `at` opens quoted text: at the start of a value.
bool opens_quote(std::string_view text, std::size_t at) {
  if (text[at] != '"' && text[at] != '\'') return false;
  const std::size_t before = at == 0 ? std::string_view::npos : text.find_last_not_of(' ', at - 1);
  return before == std::string_view::npos ||
         std::string_view(":-,[{").find(text[before]) != std::string_view::npos;
}

std::string without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (opens_quote(text, i)) {
      const std::size_t end = quote_end(text, i);
      if (end == std::string_view::npos) break;
      i = end - 1;
    } else if (text[i] == '#' && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '\t')) {
      text = text.substr(0, i);
    }
  }
  const std::size_t last = text.find_last_not_of(" \t\r");
  return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

class Parser {
 public:
  Parser(std::vector<Line> lines, const std::string& where) : lines_(std::move(lines)), where_(where) {}

  YamlNode all() {
    if (lines_.empty()) return {};
    YamlNode node = block(lines_.front().indent, 0);
    if (at_ != lines_.size()) fail("is indented otherwise than the lines before it");
    return node;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const std::size_t number = lines_[std::min(at_, lines_.size() - 1)].number;
    throw_data("the card's `configs:` cannot be read: this line " + what,
               where_ + ":" + std::to_string(number), std::string("mend the card, or ") + kNameFiles);
  }

  bool more(std::size_t indent) const { return at_ < lines_.size() && lines_[at_].indent == indent; }
  static bool is_item(const std::string& text) { return text == "-" || text.starts_with("- "); }

  YamlNode block(std::size_t indent, int depth) {
    if (depth > kMaxDepth) fail("is nested too deeply");
    if (is_item(lines_[at_].text)) return list(indent, depth);
    if (key_end(lines_[at_].text)) return map(indent, depth);
    const std::string text = lines_[at_].text;
    return value(text, indent, depth);
  }

  YamlNode list(std::size_t indent, int depth) {
    YamlNode node;
    node.kind = YamlNode::Kind::list;
    while (more(indent) && is_item(lines_[at_].text)) {
      Line& line = lines_[at_];
      const std::size_t rest = line.text.find_first_not_of(' ', 1);
      if (rest == std::string::npos) {
        ++at_;
        node.items.push_back(below(indent, depth));
      } else {
        // What follows the dash is a block of its own, indented by the dash.
        line.text.erase(0, rest);
        line.indent += rest;
        node.items.push_back(block(line.indent, depth + 1));
      }
    }
    return node;
  }

  YamlNode map(std::size_t indent, int depth) {
    YamlNode node;
    node.kind = YamlNode::Kind::map;
    while (more(indent) && !is_item(lines_[at_].text)) {
      const std::string text = lines_[at_].text;
      const std::optional<std::size_t> colon = key_end(text);
      if (!colon) fail("has no 'key:'");
      std::string key = scalar(text.substr(0, *colon)).text;
      if (std::find(node.keys.begin(), node.keys.end(), key) != node.keys.end()) fail("repeats a key");
      node.keys.push_back(std::move(key));
      const std::size_t rest = text.find_first_not_of(' ', *colon + 1);
      if (rest == std::string::npos) {
        ++at_;
        // A list may stand as far left as its key.
        const bool flat_list = more(indent) && is_item(lines_[at_].text);
        node.items.push_back(flat_list ? list(indent, depth + 1) : below(indent, depth));
      } else {
        node.items.push_back(value(text.substr(rest), indent, depth));
      }
    }
    return node;
  }

  /// The block that is indented further than `indent`, if there is one.
  YamlNode below(std::size_t indent, int depth) {
    if (at_ == lines_.size() || lines_[at_].indent <= indent) return {};
    return block(lines_[at_].indent, depth + 1);
  }

  /// A value that begins in this line; the lines indented further belong to it.
  YamlNode value(std::string text, std::size_t indent, int depth) {
    const char first = text.front();
    if (first == '&' || first == '!') fail("has an anchor or a tag");
    ++at_;
    if (first == '|' || first == '>') {  // long text, which no key of ours has
      while (at_ < lines_.size() && lines_[at_].indent > indent) ++at_;
      return scalar("");
    }
    while (at_ < lines_.size() && lines_[at_].indent > indent) {
      if (first != '[' && first != '{' && key_end(lines_[at_].text))
        fail("is indented like a part of the value before it");
      text += ' ' + lines_[at_++].text;
    }
    --at_;  // for the place in messages
    std::size_t at = 0;
    YamlNode node = first == '[' || first == '{' ? flow(text, at, depth) : scalar(text);
    if ((first == '[' || first == '{') && text.find_first_not_of(' ', at) != std::string::npos)
      fail("goes on behind its bracket");
    ++at_;
    return node;
  }

  YamlNode flow(const std::string& text, std::size_t& at, int depth) {
    if (depth > kMaxDepth) fail("is nested too deeply");
    const auto skip = [&] { at = std::min(text.find_first_not_of(' ', at), text.size()); };
    skip();
    if (at == text.size()) fail("ends inside a bracket");
    if (text[at] != '[' && text[at] != '{') {
      std::size_t end = at;
      if (text[at] == '"' || text[at] == '\'') {
        end = quote_end(text, at);
        if (end == std::string::npos) fail("has a quote that is never closed");
      } else {
        while (end < text.size() && std::string_view(",]}").find(text[end]) == std::string_view::npos &&
               !(text[end] == ':' && (end + 1 == text.size() || text[end + 1] == ' ')))
          ++end;
      }
      YamlNode node = scalar(text.substr(at, end - at));
      at = end;
      return node;
    }
    const bool is_map = text[at++] == '{';
    YamlNode node;
    node.kind = is_map ? YamlNode::Kind::map : YamlNode::Kind::list;
    for (;;) {
      skip();
      if (at < text.size() && text[at] == (is_map ? '}' : ']')) break;
      YamlNode item = flow(text, at, depth + 1);
      skip();
      if (is_map) {
        if (item.kind != YamlNode::Kind::scalar || at == text.size() || text[at] != ':')
          fail("has no 'key:' in braces");
        ++at;
        node.keys.push_back(item.text);
        item = flow(text, at, depth + 1);
        skip();
      }
      node.items.push_back(std::move(item));
      if (at == text.size()) fail("ends inside a bracket");
      if (text[at] == ',') {
        ++at;
      } else if (text[at] != (is_map ? '}' : ']')) {
        fail("has something after a value in brackets");
      }
    }
    ++at;
    return node;
  }

  YamlNode scalar(std::string_view text) const {
    const std::size_t last = text.find_last_not_of(' ');
    text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    if (text.empty() || (text.front() != '"' && text.front() != '\'')) {
      node.text = text;
      if (text == "~" || text == "null") node.kind = YamlNode::Kind::null;
      return node;
    }
    if (quote_end(text, 0) != text.size()) fail("has a quote that does not end with the value");
    const bool escapes = text.front() == '"';
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      char c = text[i];
      if (escapes && c == '\\') {
        c = text[++i];
        c = c == 't' ? '\t' : c == 'n' ? '\n' : c;
      } else if (!escapes && c == '\'') {
        ++i;
      }
      node.text += c;
    }
    return node;
  }

  /// Where the colon behind a key is.
  static std::optional<std::size_t> key_end(std::string_view text) {
    std::size_t at = 0;
    if (text.front() == '[' || text.front() == '{') return std::nullopt;
    if (text.front() == '"' || text.front() == '\'') {
      at = quote_end(text, 0);
      if (at == std::string_view::npos) return std::nullopt;
    }
    for (; at < text.size(); ++at)
      if (text[at] == ':' && (at + 1 == text.size() || text[at + 1] == ' ')) return at;
    return std::nullopt;
  }

  std::vector<Line> lines_;
  const std::string& where_;
  std::size_t at_ = 0;
};

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  const auto at = std::find(keys.begin(), keys.end(), key);
  return kind == Kind::map && at != keys.end() ? &items[static_cast<std::size_t>(at - keys.begin())]
                                               : nullptr;
}

YamlNode front_matter_value(std::string_view text, std::string_view key, const std::string& where) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<Line> lines;
  bool inside = false;  // of the wanted key
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view raw = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), raw.size() + 1));
    const std::string line = without_comment(raw);
    if (number == 1) {
      if (line != "---") return {};
      continue;
    }
    if (line == "---" || line == "...") break;
    const std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos) continue;
    if (indent == 0 && line.front() != '-') {
      inside = line.starts_with(key) && line.substr(key.size()).starts_with(':');
      if (!inside) continue;
      const std::size_t rest = line.find_first_not_of(' ', key.size() + 1);
      if (rest != std::string::npos) lines.push_back({0, line.substr(rest), number});
      continue;
    }
    if (inside) lines.push_back({indent, line.substr(indent), number});
  }
  return Parser(std::move(lines), where).all();
}

}  // namespace anemll::datasets
