// What fish completes the words of a program by: a line of complete(1) for each option.
#include "src/manual/internal/value_kind.hpp"
#include "src/manual/manual.hpp"

#include <string>
#include <string_view>

namespace anemll {
namespace {

/// Within single quotes of fish.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string value_words(const OptionText& option) {
  std::string words;
  for (const std::string& word : option.words) words += (words.empty() ? "" : " ") + word;
  switch (value_kind(option)) {
    case ValueKind::none:
      return "";
    case ValueKind::file:
      return " -r -F";
    case ValueKind::number:
    case ValueKind::words:
      break;
  }
  return " -x" + (words.empty() ? "" : " -a " + quoted(words));
}

std::string lines_of(const OptionPage& page, const std::string& begin) {
  std::string out = begin + " -s h -d 'Print this help and exit.'\n";
  for (const OptionText& option : page.options) {
    if (option.kind == "refused") continue;
    for (const std::string& spelling : option.spellings()) {
      out +=
          begin + " -l " + spelling.substr(2) + value_words(option) + " -d " + quoted(option.brief()) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string fish_completion(const ProgramManual& manual) {
  std::string out =
      "# Completions of " + manual.program + " for fish, made of what it says of its options.\n";
  const std::string begin = "complete -c " + manual.program;
  if (manual.usage.empty()) return out + lines_of(manual.pages.front(), begin);
  const std::string first = begin + " -f -n __fish_use_subcommand -a ";
  for (const OptionPage& page : manual.pages) {
    out += first + page.command() + " -d " + quoted(page.summary) + "\n";
    out += lines_of(page, begin + " -n '__fish_seen_subcommand_from " + page.command() + "'");
  }
  if (manual.starts.empty()) return out;
  // The words behind such a name are completed as those of the program that it starts.
  out += "function __" + manual.program +
         "_rest\n"
         "  set -l typed (commandline -opc)\n"
         "  complete -C (string join ' ' -- " +
         manual.program +
         "_(string replace -a - _ $typed[2]) $typed[3..-1] (commandline -ct))\n"
         "end\n";
  for (const StartedProgram& one : manual.starts) {
    out += first + one.name + "\n";
    if (!one.program.empty())
      out += begin + " -f -n '__fish_seen_subcommand_from " + one.name + "' -a '(__" + manual.program +
             "_rest)'\n";
  }
  return out;
}

}  // namespace anemll
