#include "src/datasets/internal/json_shape.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace anemll::datasets {
namespace {

/// Finds the end of a value that comes in pieces.
class ValueScan {
 public:
  /// How many bytes of `text` were looked at; `done()` when the value ended with them.
  std::size_t feed(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size() && !done_) {
      if (in_string_) {
        i = string(text, i);
      } else {
        i = outside(text, i);
      }
    }
    return i;
  }
  bool done() const { return done_; }

 private:
  std::size_t string(std::string_view text, std::size_t i) {
    if (escaped_) {
      escaped_ = false;
      return i + 1;
    }
    while (i < text.size() && text[i] != '"' && text[i] != '\\') ++i;
    if (i == text.size()) return i;
    if (text[i] == '\\') {
      escaped_ = true;
    } else {
      in_string_ = false;
      done_ = depth_ == 0;
    }
    return i + 1;
  }
  std::size_t outside(std::string_view text, std::size_t i) {
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '"') {
        if (bare_) return finish(i);
        in_string_ = true;
        return i + 1;
      }
      if (c == '{' || c == '[') {
        if (bare_) return finish(i);
        ++depth_;
      } else if (c == '}' || c == ']') {
        if (depth_ == 0) return finish(i);
        if (--depth_ == 0) return finish(i + 1);
      } else if (depth_ == 0) {
        // A number or a word, which ends before what cannot belong to it.
        if (c == ',' || is_json_space(c)) return finish(i);
        bare_ = true;
      }
    }
    return i;
  }
  std::size_t finish(std::size_t i) {
    done_ = true;
    return i;
  }

  std::uint64_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool bare_ = false;
  bool done_ = false;
};

/// The string at the front of the window without its quotes, taken; nothing where there is none.
std::optional<std::string> take_key(TextWindow& window) {
  if (window.peek() != '"') return std::nullopt;
  const std::size_t n = value_length(window);
  if (n < 2) return std::nullopt;
  std::string key(window.text().substr(1, n - 2));
  window.take(n);
  return key;
}

bool take_colon(TextWindow& window) {
  if (window.peek() != ':') return false;
  window.take(1);
  return true;
}

/// Passes over a value of any size without keeping it.
bool skip_value(TextWindow& window) {
  if (window.peek() == TextWindow::kEnd) return false;
  ValueScan scan;
  std::uint64_t length = 0;
  for (;;) {
    const std::size_t n = scan.feed(window.text());
    window.take(n);
    length += n;
    if (scan.done()) return length != 0;
    if (!window.more()) return false;
  }
}

/// Passes over the array at the front, and over those in it; nothing where it is never closed. What is found
/// is the first byte in it that is no bracket of an array.
std::optional<int> skip_array(TextWindow& window) {
  window.take(1);
  int element = 0;
  for (std::uint64_t open = 1; open != 0;) {
    const int c = window.peek();
    if (element == 0 && c != '[') element = c;
    if (c == '[' || c == ',' || c == ']') {
      window.take(1);
      open += c == '[' ? 1U : 0U;
      open -= c == ']' ? 1U : 0U;
    } else if (!skip_value(window)) {
      return std::nullopt;
    }
  }
  return element;
}

/// One look through an object of objects for arrays of records.
class ArraySearch {
 public:
  explicit ArraySearch(const FieldList& wanted) : wanted_(wanted) {}

  /// From behind the opening bracket to behind the closing one. False when that is not good JSON, and when
  /// the outermost object is a record.
  bool object(TextWindow& window) {
    if (window.peek() == '}') {
      window.take(1);
      return true;
    }
    for (;;) {
      const std::optional<std::string> key = take_key(window);
      if (!key || !take_colon(window)) return false;
      if (path_.empty() && std::find(wanted_.main.begin(), wanted_.main.end(), *key) != wanted_.main.end())
        return false;
      path_.push_back(*key);
      if (!member(window)) return false;
      path_.pop_back();
      const int next = window.peek();
      if (next != ',' && next != '}') return false;
      window.take(1);
      if (next == '}') return true;
    }
  }

  /// The one nearest to the outside; nothing where several are as near.
  std::vector<std::string> found() const { return several_ ? std::vector<std::string>{} : found_; }

 private:
  static constexpr std::size_t kDeepest = 16;

  bool member(TextWindow& window) {
    const int c = window.peek();
    if (c == '{' && path_.size() < kDeepest) {
      window.take(1);
      return object(window);
    }
    if (c != '[') return skip_value(window);
    const std::optional<int> element = skip_array(window);
    if (element == '{' || element == ']') {
      several_ = path_.size() == found_.size() || (several_ && path_.size() > found_.size());
      if (found_.empty() || path_.size() < found_.size()) found_ = path_;
    }
    return element.has_value();
  }

  const FieldList& wanted_;
  std::vector<std::string> path_;
  std::vector<std::string> found_;
  bool several_ = false;
};

}  // namespace

std::size_t value_length(TextWindow& window) {
  ValueScan scan;
  std::size_t seen = 0;
  for (;;) {
    seen += scan.feed(window.text().substr(seen));
    if (scan.done()) return seen;
    if (!window.more()) return 0;
  }
}

bool enter_member(TextWindow& window, std::string_view member) {
  for (;;) {
    const std::optional<std::string> key = take_key(window);
    if (!key || !take_colon(window)) return false;
    if (*key == member) return window.peek() != TextWindow::kEnd;
    if (!skip_value(window) || window.peek() != ',') return false;
    window.take(1);
  }
}

bool leave_object(TextWindow& window) {
  for (;;) {
    const int next = window.peek();
    if (next != ',' && next != '}') return false;
    window.take(1);
    if (next == '}') return true;
    if (!take_key(window) || !take_colon(window) || !skip_value(window)) return false;
  }
}

std::string JsonShape::name() const {
  std::string out;
  for (const std::string& member : path) out.append(out.empty() ? "" : ".").append(member);
  return out;
}

bool is_spread_json(TextWindow& window) {
  const int first = window.peek();
  if (first != '{' && first != '[') return false;
  std::size_t end = 0;
  while ((end = window.text().find('\n')) == std::string_view::npos && window.more()) continue;
  std::string_view line = window.text().substr(0, end);
  line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  if (first == '[') {
    const std::size_t next = window.text().find_first_not_of(" \t\r\n", 1);
    const char c = next == std::string_view::npos ? ']' : window.text()[next];
    return c == '{' || c == '[' || c == ']';
  }
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] == '\\') ++i;
  }
  const char last = line.back();
  if (quoted || (last != '{' && last != '[' && last != ',' && last != ':')) return false;
  // A line that was cut at this place has a good one behind it; an object has no object where a key must
  // stand.
  std::size_t next = 0;
  while ((next = window.text().find_first_not_of(" \t\r\n", line.size())) == std::string_view::npos &&
         window.more())
    continue;
  const bool key = last == '{' || last == ',';
  return next == std::string_view::npos || !key || window.text()[next] != '{';
}

bool begins_json_record(TextWindow& window) {
  const int first = window.peek();
  const std::size_t next = window.text().find_first_not_of(" \t\r\n", 1);
  const char c = next == std::string_view::npos ? '\0' : window.text()[next];
  return (first == '{' && c == '"') || (first == '[' && (c == '{' || c == '['));
}

JsonShape json_shape(const std::filesystem::path& path, const FieldList& wanted) {
  TextWindow window(path);
  JsonShape shape;
  const int first = window.peek();
  if (first == '[') shape.kind = JsonShape::Kind::array;
  if (first != '{') return shape;
  window.take(1);
  ArraySearch search(wanted);
  if (!search.object(window)) return shape;
  // Only when the object is alone: records of one kind, one after the other, also have arrays.
  if (window.peek() != TextWindow::kEnd) return shape;
  shape.path = search.found();
  if (!shape.path.empty()) shape.kind = JsonShape::Kind::wrapped;
  return shape;
}

}  // namespace anemll::datasets
