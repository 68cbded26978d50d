// What zsh completes the words of a program by: the specifications of its _arguments.
#include "src/manual/internal/value_kind.hpp"
#include "src/manual/manual.hpp"

#include <string>
#include <string_view>

namespace anemll {
namespace {

/// Within single quotes of the shell.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Text of a specification, in which brackets and colons have a meaning.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string action(const OptionText& option) {
  std::string words;
  for (const std::string& word : option.words) words += (words.empty() ? "" : " ") + word;
  if (!words.empty()) return ":" + option.value + ":(" + words + ")";
  return ":" + option.value + (value_kind(option) == ValueKind::number ? ": " : ":_files");
}

std::string arguments(const OptionPage& page, const std::string& indent) {
  std::string out = indent + "_arguments -S \\\n" + indent + "  '-h[" + "Print this help and exit.]' \\\n";
  bool takes_arguments = false;
  for (const OptionText& option : page.options) {
    takes_arguments |= option.kind == "argument";
    if (option.kind == "refused" || option.kind == "argument") continue;
    const bool takes_value = value_kind(option) != ValueKind::none;
    for (const std::string& spelling : option.spellings()) {
      const std::string spec = (option.list ? "*" : "") + spelling + (takes_value ? "=" : "") + "[" +
                               escaped(option.brief()) + "]" + (takes_value ? action(option) : "");
      out += indent + "  " + quoted(spec) + " \\\n";
    }
  }
  return out + indent + (takes_arguments ? "  '*:file:_files'\n" : "  '*: : '\n");
}

}  // namespace

std::string zsh_completion(const ProgramManual& manual) {
  std::string out =
      "#compdef " + manual.program + "\n# Made of what " + manual.program + " says of its options.\n";
  if (manual.usage.empty()) return out + arguments(manual.pages.front(), "");
  out += "if (( CURRENT == 2 )); then\n  local -a commands=(\n";
  for (const OptionPage& page : manual.pages)
    out += "    " + quoted(page.command() + ":" + page.summary) + "\n";
  for (const StartedProgram& one : manual.starts) {
    out +=
        "    " + quoted(one.name + ":" + (one.program.empty() ? "a script" : "starts " + one.program)) + "\n";
  }
  out += "  )\n  _describe command commands\n  return\nfi\ncase ${words[2]//-/_} in\n";
  for (const OptionPage& page : manual.pages) {
    std::string pattern = page.command();
    for (char& c : pattern) c = c == '-' ? '_' : c;
    out +=
        "  " + pattern + ")\n    shift words\n    (( CURRENT-- ))\n" + arguments(page, "    ") + "    ;;\n";
  }
  for (const StartedProgram& one : manual.starts) {
    out += "  " + one.name + ") ";
    out += one.program.empty() ? "_files ;;\n"
                               : "shift words; (( CURRENT-- )); words[1]=" + one.program + "; _normal ;;\n";
  }
  return out + "esac\n";
}

}  // namespace anemll
