// What a program says of its options (--help=json), and the texts made of it: a man page, and what bash, zsh
// and fish complete its words by. No file is touched here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// One option or argument, in the words of --help.
struct OptionText {
  std::string name;  ///< without dashes
  std::string kind;  ///< value, flag, switch, refused, argument or general
  std::string group;
  std::string shown;  ///< left column of --help: "--lr X"
  std::string value;  ///< N, X, TEXT, NAME, DIR, FILE, PATH; empty where none is taken
  std::string help;
  std::string facts;  ///< range, default, other names
  bool list = false;
  bool path = false;
  std::vector<std::string> aliases;
  std::vector<std::string> words;  ///< values that have a name

  /// What is typed for it, without other spellings of the same name: "--x", "--no-x", "--alias".
  std::vector<std::string> spellings() const;
  /// Its help with the facts in brackets, as --help has it.
  std::string text() const;
  /// Its first clause, for a list.
  std::string brief() const;
};

/// One option table: that of a program, or of a command of one.
struct OptionPage {
  std::string program;  ///< "anemll_train", "anemll_cache import"
  std::string summary;
  std::string usage;
  std::string rules;
  std::vector<OptionText> options;

  /// The command of its program, empty for a program without commands.
  std::string command() const;
};

/// Another program that is started by a name: `anemll train`.
struct StartedProgram {
  std::string name;
  std::string program;  ///< empty for a script, whose words are files
};

struct ProgramManual {
  std::string program;
  std::string usage;  ///< of a program with commands, else empty
  std::vector<OptionPage> pages;
  std::vector<StartedProgram> starts;

  std::string summary() const;
};

/// What `program` printed for --help=json. A data error when it is something else.
ProgramManual read_manual(std::string_view json_lines, const std::string& program);

std::string man_page(const ProgramManual& manual, const std::string& version);
std::string bash_completion(const ProgramManual& manual);
std::string zsh_completion(const ProgramManual& manual);
std::string fish_completion(const ProgramManual& manual);

}  // namespace anemll
