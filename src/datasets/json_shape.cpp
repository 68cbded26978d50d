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

/// What follows `[` at the front of the window; the bracket is taken.
int first_of_array(TextWindow& window) {
  window.take(1);
  return window.peek();
}

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

JsonShape json_shape(const std::filesystem::path& path, const FieldList& wanted) {
  TextWindow window(path);
  JsonShape shape;
  const int first = window.peek();
  if (first == '[') shape.kind = JsonShape::Kind::array;
  if (first != '{') return shape;
  window.take(1);
  std::size_t arrays = 0;
  for (;;) {
    const std::optional<std::string> key = take_key(window);
    if (!key || !take_colon(window)) break;
    if (std::find(wanted.main.begin(), wanted.main.end(), *key) != wanted.main.end()) return shape;
    if (window.peek() == '[') {
      const int element = first_of_array(window);
      // The scan of the rest starts inside the array: what is left of it are values and commas.
      while (window.peek() != ']') {
        if (window.peek() == ',') {
          window.take(1);
        } else if (!skip_value(window)) {
          return shape;
        }
      }
      window.take(1);
      if (element == '{' || element == ']') {
        ++arrays;
        shape.member = *key;
      }
    } else if (!skip_value(window)) {
      return shape;
    }
    if (window.peek() != ',') break;
    window.take(1);
  }
  // Only when the object is closed and alone: records of one kind, one after the other, also have arrays.
  if (arrays == 1 && window.peek() == '}') {
    window.take(1);
    if (window.peek() == TextWindow::kEnd) shape.kind = JsonShape::Kind::wrapped;
  }
  return shape;
}

}  // namespace anemll::datasets
