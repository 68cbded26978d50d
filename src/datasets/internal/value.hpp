// What a reader found in one field, whatever its file type: the values of JSON. Formats make documents of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anemll::datasets {

struct Value {
  enum class Kind { missing, null, text, literal, list, object, other };
  /// Values nested deeper than this are `other`: no conversation is, and recursion must end.
  static constexpr int kMaxDepth = 48;

  Kind kind = Kind::missing;
  std::string text;               ///< text, or a literal (number, true, false) as JSON spells it
  std::vector<Value> items;       ///< of a list; the values of an object
  std::vector<std::string> keys;  ///< of an object
  std::string type;               ///< in words for messages, where the kind does not say it all

  static Value of_text(std::string text);
  static Value of_type(Kind kind, std::string type);

  /// The value of an object's key (the last, as in Python), or nullptr.
  const Value* find(std::string_view key) const;
  bool absent() const { return kind == Kind::missing || kind == Kind::null; }
  /// Absent, or a text, list or object with nothing in it.
  bool empty() const;
  /// "a number", "a list with a string in it", ...
  std::string describe() const;
  /// As Python's json.dumps(value, ensure_ascii=False) writes it.
  std::string json() const;
};

/// A JSON text as a value; missing when it is none.
Value parse_json(std::string_view text);

}  // namespace anemll::datasets
