// One table of options feeds the parser, --help, config files, the environment and the docs.
// Precedence: command line > environment > config file > default. Unknown keys are errors with a suggestion.
// `-` and `_` are equal in names; help, errors and JSON have the spelling of the declaration.
#pragma once

#include "anemll/core/choices.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace anemll {

class OptionTable {
 public:
  /// `summary`: one line for --help. `environment_prefix`: "ANEMLL" makes --batch-size read
  /// ANEMLL_BATCH_SIZE.
  OptionTable(std::string program, std::string summary, std::string environment_prefix = "ANEMLL");
  ~OptionTable();
  OptionTable(OptionTable&&) noexcept;

  /// Starts a group of --help; options added next belong to it.
  void group(std::string title);

  // A program may declare a `version` of its own, with a value. Without a value --version then still prints
  // the facts of the build.

  // The bound variable's present value is the default; it is overwritten by parse(). Names have no dashes in
  // front. Two names of a table that differ in `-` and `_` alone, aliases included, are our own mistake.
  void add(std::string name, std::string* value, std::string help);
  void add(std::string name, std::int64_t* value, std::string help, std::int64_t min, std::int64_t max);
  void add(std::string name, double* value, std::string help, double min, double max);
  void add(std::string name, std::optional<std::string>* value, std::string help);
  void add(std::string name, std::optional<std::int64_t>* value, std::string help, std::int64_t min,
           std::int64_t max);
  void add(std::string name, std::optional<double>* value, std::string help, double min, double max);
  /// May be given several times; each source of values begins a list of its own.
  void add(std::string name, std::vector<std::string>* values, std::string help);
  /// One of the words of the enum's table: see choices.hpp.
  template <class E>
  void add_choice(std::string name, E* value, std::string help) {
    add_bound(std::move(name), bind_choice(value), std::move(help));
  }
  /// --name sets true; a config file says `name = true|false`.
  void add_flag(std::string name, bool* value, std::string help);
  /// --name and --no-name.
  void add_switch(std::string name, bool* value, std::string help);
  /// Recognised, but refused with this message and hint.
  void add_refused(std::string name, bool takes_value, std::string message, std::string hint);
  /// Positional arguments, in order; required unless optional.
  void add_positional(std::string name, std::string* value, std::string help, bool required);
  /// All that are left: no other positional argument follows.
  void add_positional(std::string name, std::vector<std::string>* values, std::string help, bool required);
  void require(const std::string& name);
  /// The same, but not where the flag is set: the program then does not read it.
  void require_unless(const std::string& name, std::string flag);
  /// Another name of the option, for command line, config files and environment. Help shows it; everywhere
  /// else the option has its own name.
  void add_alias(const std::string& name, std::string alias);
  /// A whole-number option also takes this word, which stands for `value`, in its range or outside of it.
  /// Everywhere the value is shown as the word.
  void add_word(const std::string& name, std::string word, std::int64_t value);
  /// The value names a file or folder: a leading ~ is the home folder; what is no path (empty, quotes that
  /// the shell left) is a usage error.
  void mark_path(const std::string& name);
  /// Ranks of one job may differ in it (threads, a token): it is neither taken from rank 0 nor compared.
  void mark_own(const std::string& name);

  enum class Outcome { run, exit_ok };
  /// Parses argv (and --config-file FILE, repeatable). --help, --version, --print-config print to stdout and
  /// return exit_ok. Usage errors name the option and the source (flag, variable, file:line) and suggest the
  /// nearest known name. `tell`: log variables that look like ours and are not read.
  Outcome parse(int argc, const char* const* argv, bool tell = true);

  /// What the ranks of one job share: name, value and source of every option that is not a rank's own (JSON).
  std::string shared_json() const;
  struct Difference {
    std::string name;
    std::string here;    ///< the value before, "not set" for none
    std::string there;   ///< the value taken over
    std::string source;  ///< of the value before
  };
  /// Takes over the values of another rank's shared_json() and tells which were others here.
  std::vector<Difference> adopt(const std::string& shared_json);

  bool given(const std::string& name) const;  ///< set by anything but the default
  std::vector<std::string> given_names() const;
  std::string source(
      const std::string& name) const;  ///< "default", "command line", "environment X", "file:line"
  std::string help() const;
  std::string markdown() const;  ///< the reference table of the docs
  std::string resolved() const;  ///< config-file text with the source of every value
  std::string json() const;      ///< {"name": value, ...} for logs and checkpoints
  /// The program, and what somebody set by whatever source, as words that set the same again. Without what is
  /// a rank's own (threads, a token).
  std::vector<std::string> command() const;
  std::vector<std::string> names() const;

 private:
  void add_bound(std::string name, BoundChoice value, std::string help);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anemll
