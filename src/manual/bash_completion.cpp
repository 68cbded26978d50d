// What bash completes the words of a program by: two functions with the words of its tables, and one that
// looks them up. Each file stands alone, since bash loads one when its program is typed.
#include "src/manual/internal/value_kind.hpp"
#include "src/manual/manual.hpp"

#include <algorithm>
#include <string>

namespace anemll {
namespace {

/// @P@ is the name of the program.
constexpr const char* kEngine = R"bash(
_@P@() {
  local word=${COMP_WORDS[COMP_CWORD]} before='' command='' kind=none known='' wanted candidate
  COMPREPLY=()
  [ "$COMP_CWORD" -eq 0 ] || before=${COMP_WORDS[COMP_CWORD - 1]}
  # --name=value is three words here.
  if [ "$word" = = ]; then
    word=''
  elif [ "$before" = = ] && [ "$COMP_CWORD" -ge 2 ]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  known=$(_@P@_commands)
  if [ -n "$known" ]; then
    if [ "$COMP_CWORD" -gt 1 ]; then
      command=${COMP_WORDS[1]}
      _@P@_starts "$command" && return
      known=$(_@P@_options "$command")
    fi
  else
    known=$(_@P@_options '')
  fi
  # - and _ are equal in names.
  case $before in --*) kind=$(_@P@_value "$command" "${before//_/-}") ;; esac
  case $kind in
    none)
      [ -n "$word" ] || [ "$COMP_CWORD" -eq 1 ] || return 0
      wanted=${word//_/-}
      for candidate in $known; do
        case ${candidate//_/-} in "$wanted"*) COMPREPLY+=("$candidate") ;; esac
      done
      ;;
    number) compopt +o default +o bashdefault 2>/dev/null ;;
    file) ;;
    *)
      compopt +o default +o bashdefault 2>/dev/null
      for candidate in $kind; do
        case $candidate in "$word"*) COMPREPLY+=("$candidate") ;; esac
      done
      ;;
  esac
  return 0
}
complete -o bashdefault -o default -F _@P@ @P@
)bash";

/// Words behind a name that starts another program are completed by that one's file, which lies beside this
/// one.
constexpr const char* kStart = R"bash(
_@P@_start() { # PROGRAM
  local there=${BASH_SOURCE[0]%/*}
  if ! declare -F "_$1" >/dev/null; then
    # shellcheck disable=SC1090
    [ -r "$there/$1" ] && . "$there/$1" || return
  fi
  local COMP_CWORD=$((COMP_CWORD - 1))
  local -a COMP_WORDS=("$1" "${COMP_WORDS[@]:2}")
  "_$1"
}
)bash";

std::string with_program(std::string text, const std::string& program) {
  for (std::size_t at = text.find("@P@"); at != std::string::npos; at = text.find("@P@", at))
    text.replace(at, 3, program);
  return text;
}

std::string with_dashes(std::string text) {
  std::ranges::replace(text, '_', '-');
  return text;
}

std::string options_function(const ProgramManual& manual) {
  std::string out = "_" + manual.program + "_options() { # COMMAND\n  case $1 in\n";
  for (const OptionPage& page : manual.pages) {
    std::string words = "-h";
    for (const OptionText& option : page.options) {
      if (option.kind == "refused") continue;
      for (const std::string& spelling : option.spellings()) words += ' ' + spelling;
    }
    out += "    '" + page.command() + "') echo '" + words + "' ;;\n";
  }
  return out + "  esac\n}\n";
}

std::string value_function(const ProgramManual& manual) {
  std::string out = "_" + manual.program +
                    "_value() { # COMMAND OPTION: none, number, file, or the words of its value\n"
                    "  case \"$1 $2\" in\n";
  for (const OptionPage& page : manual.pages) {
    for (const OptionText& option : page.options) {
      const ValueKind kind = value_kind(option);
      if (kind == ValueKind::none) continue;
      std::string words = kind == ValueKind::number ? "number" : "file";
      if (kind == ValueKind::words) words.clear();
      for (const std::string& word : option.words) words += (words.empty() ? "" : " ") + word;
      if (kind == ValueKind::number && !option.words.empty()) words = option.words.front();
      std::string pattern;
      for (const std::string& spelling : option.spellings()) {
        pattern += (pattern.empty() ? "'" : " | '") + page.command() + ' ' + with_dashes(spelling) + "'";
      }
      out += "    " + pattern + ") echo '" + words + "' ;;\n";
    }
  }
  return out + "    *) echo none ;;\n  esac\n}\n";
}

std::string commands_function(const ProgramManual& manual) {
  std::string words;
  if (!manual.usage.empty()) {
    for (const OptionPage& page : manual.pages) words += page.command() + ' ';
    for (const StartedProgram& one : manual.starts) words += one.name + ' ';
    words += manual.starts.empty() ? "--help --version" : "help --help --version";
  }
  return "_" + manual.program + "_commands() { echo '" + words + "'; }\n";
}

std::string starts_function(const ProgramManual& manual) {
  if (manual.starts.empty()) return "_" + manual.program + "_starts() { return 1; }\n";
  std::string out =
      "_" + manual.program + "_starts() { # NAME: completes the words behind it\n  case ${1//-/_} in\n";
  std::string names;
  for (const StartedProgram& one : manual.starts) {
    if (!names.empty()) names += ' ';
    names += one.name;
    out += "    " + one.name + ") " +
           (one.program.empty() ? "" : "_" + manual.program + "_start " + one.program + " || ") + "true ;;\n";
  }
  out += "    help)\n      wanted=${word//-/_}\n      for candidate in " + names +
         "; do\n        case $candidate in \"$wanted\"*) COMPREPLY+=(\"$candidate\") ;; "
         "esac\n      done\n      ;;\n";
  return out + "    *) return 1 ;;\n  esac\n}\n";
}

}  // namespace

std::string bash_completion(const ProgramManual& manual) {
  return "# Completions of " + manual.program + " for bash, made of what it says of its options.\n" +
         commands_function(manual) + options_function(manual) + value_function(manual) +
         starts_function(manual) +
         with_program(std::string(manual.starts.empty() ? "" : kStart) + kEngine, manual.program);
}

}  // namespace anemll
