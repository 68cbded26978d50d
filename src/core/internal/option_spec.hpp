// What the option table knows about one option, and the text of it: parsing a value, printing it, its range.
// Private to src/core; no Boost here. One thread.
#pragma once

#include "anemll/core/choices.hpp"
#include "src/core/internal/other_trainers.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace anemll {

enum class OptionKind { value, flag, toggle, refused, positional, builtin };

using OptionTarget = std::variant<std::monostate, std::string*, std::int64_t*, double*, bool*,
                                  std::optional<std::string>*, std::optional<std::int64_t>*,
                                  std::optional<double>*, std::vector<std::string>*, BoundChoice>;

struct OptionSpec {
  std::string name;
  std::vector<std::string> aliases;
  std::string group;
  std::string help;
  OptionKind kind = OptionKind::value;
  OptionTarget target;
  std::int64_t int_min = 0, int_max = 0;
  double real_min = 0, real_max = 0;
  std::string word;             ///< see OptionTable::add_word
  std::int64_t word_value = 0;  ///< that it stands for
  bool takes_value = true;
  bool required = false;
  std::string required_unless;     ///< a flag; empty: always
  bool is_path = false;            ///< see OptionTable::mark_path
  bool own = false;                ///< see OptionTable::mark_own
  std::string message, hint;       ///< of a refused option
  std::string default_text;        ///< the bound variable when it was added
  bool default_set = true;         ///< false for an empty optional
  std::string source = "default";  ///< who set the present value

  /// Names the allowed values: "a whole number, at least 1", "one of a, b".
  std::string expectation() const;
  /// The same, short, for --help: "1 to 64", "a | b"; empty when nothing is to be said.
  std::string range() const;
  /// N, X, TEXT, NAME, DIR, FILE, PATH or empty.
  std::string placeholder() const;
  /// Whether it takes any number of values.
  bool is_list() const { return std::holds_alternative<std::vector<std::string>*>(target); }
  /// Whether the present value is the one that the option's word stands for.
  bool holds_word() const;
  /// The present value, nothing for an empty optional or list. Values of a list stand on lines of their own:
  /// no value has a line end.
  std::optional<std::string> value() const;
  /// Parses, checks and stores; a path's ~ is expanded. Throws a usage error that names `place` and
  /// `new_source`.
  void assign(const std::string& text, const std::string& place, const std::string& new_source);
  /// A value of another rank's option, which was checked there.
  void take(const std::optional<std::string>& text);

 private:
  void store(const std::string& text, const std::string& place, const std::string& new_source);
  std::string checked(const std::string& text, const std::string& place, const std::string& new_source) const;
};

/// A spelling that is accepted after "--", and the one that stands for it in texts.
struct Spelling {
  std::string text;
  std::string canonical;
};

/// `-` and `_` are equal in names.
bool same_name(std::string_view a, std::string_view b);

struct TableSpec {
  std::string program;
  std::string summary;
  std::string environment_prefix;
  std::vector<OptionSpec> options;  ///< in order of declaration

  /// By the name of its declaration.
  OptionSpec* find(std::string_view name);
  const OptionSpec* find(std::string_view name) const;
  /// What somebody's word for an option is called here, with "no-" for the "no-" form of a switch: the name
  /// of the declaration for its aliases and for other dashes. Empty when the word means none.
  std::string canonical(std::string_view word) const;
  /// ANEMLL_BATCH_SIZE for batch-size; empty without a prefix.
  std::string variable(std::string_view name) const;
  /// Those that set the option: of its name and of its aliases. None without a prefix, and none for what the
  /// environment does not set.
  std::vector<std::string> variables(const OptionSpec& option) const;
  /// Names, aliases and the "no-" forms, in order of declaration.
  std::vector<Spelling> spellings() const;
  /// The row of an option of ours that other trainers call so; null where this program has none.
  const OtherName* by_other_name(std::string_view unknown) const;
  /// "did you mean --x? " or nothing: by what other trainers call it, by edit distance and by prefix.
  std::string suggestion(std::string_view unknown, std::string_view dashes) const;
};

/// Shortest text that reads back as the same number.
std::string shortest(double value);
std::optional<bool> parse_bool(std::string_view text);

// src/core/option_text.cpp
std::string render_help(const TableSpec& table, std::size_t width);
std::string render_markdown(const TableSpec& table);
/// One line of JSON: the table as --help tells it, for programs that make other texts of it.
std::string render_description(const TableSpec& table);
std::string render_resolved(const TableSpec& table);
std::string render_json(const TableSpec& table);
std::vector<std::string> command_words(const TableSpec& table);
/// The values that ranks share, and back: see OptionTable::shared_json.
std::string render_shared(const TableSpec& table);
struct SharedValue {
  std::string name;
  std::optional<std::string> value;
  std::string source;
};
std::vector<SharedValue> parse_shared(const std::string& json);

}  // namespace anemll
