// anemll: the other programs and the launch scripts by their short names, which it becomes; and what belongs
// to all of them. It links no LibTorch and starts at once, also where the others cannot.
#include "anemll/core/error.hpp"
#include "src/core/nearest.hpp"
#include "src/core/tool.hpp"
#include "src/tools/front_manual.hpp"
#include "src/tools/front_programs.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace anemll;

constexpr std::size_t kNameColumn = 18;

std::string row(std::string_view name, std::string_view about) {
  std::string line = "  " + std::string(name);
  line.resize(std::max(kNameColumn, line.size() + 1), ' ');
  return line + std::string(about) + "\n";
}

std::string usage() {
  std::string text =
      "anemll: 2-bit language models, from a text to a file for the Apple Neural Engine\n"
      "\n"
      "usage: anemll NAME [ARGUMENTS]   the same as anemll_NAME ARGUMENTS\n"
      "       anemll help NAME          the options of NAME\n"
      "\n"
      "Programs:\n";
  for (const FrontProgram& program : front_programs()) text += row(program.name, program.about);
  text += "\nScripts:\n";
  const FrontPlace place;
  for (const std::string_view script : front_scripts()) {
    const auto file = place.script(script);
    text += row(script, file ? script_about(*file) : "not installed here");
  }
  return text + "\nOf anemll itself:\n" +
         row("env", "build, machine, libraries, GPUs, MPI and limits, for a report of a mistake") +
         row("manual", "man pages, completions of shells, and the reference of all options") +
         "\n- and _ are equal in names. --version prints build facts.\n"
         "Exit codes: those of what is started; 2 for a name that is not known.\n";
}

/// Names as they stand in the tables.
std::string known_form(std::string word) {
  std::ranges::replace(word, '-', '_');
  return word.starts_with("anemll_") ? word.substr(7) : word;
}

/// Becomes what `word` names; returns when it names nothing that is started.
void start(const std::string& word, const std::vector<std::string>& words) {
  const std::string name = known_form(word);
  const auto is_it = [&name](const FrontProgram& program) { return program.name == name; };
  if (std::ranges::any_of(front_programs(), is_it)) start_program(FrontPlace(), name, words);
  if (std::ranges::find(front_scripts(), name) != front_scripts().end())
    start_script(FrontPlace(), name, words);
}

[[noreturn]] void refuse(const std::string& word) {
  std::vector<std::string> known = {"env", "manual", "help"};
  for (const FrontProgram& program : front_programs()) known.emplace_back(program.name);
  for (const std::string_view script : front_scripts()) known.emplace_back(script);
  throw_usage("there is no program or script '" + word + "'", "anemll",
              did_you_mean(known_form(word), known) + "anemll help lists all");
}

int front(std::vector<std::string> words) {
  const std::string name = words.empty() ? "help" : words.front();
  std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  const Command commands[] = {{"env", front_env_command}, {"manual", front_manual_command}};
  const auto is_own = [&commands](const std::string& word) {
    return std::ranges::any_of(commands, [&word](const Command& command) { return command.name == word; });
  };
  if (!name.starts_with('-') && name != "help" && !is_own(name)) {
    start(name, rest);
    refuse(name);
  }
  std::vector<std::string> own = {"anemll", name};
  if (name == "help" && !rest.empty()) {
    const std::string asked = rest.front();
    if (!is_own(asked) && asked != "help") {
      start(asked, {"--help"});
      refuse(asked);
    }
    own = {"anemll", asked};
    rest = asked == "help" ? std::vector<std::string>() : std::vector<std::string>{"--help"};
  }
  own.insert(own.end(), rest.begin(), rest.end());
  std::vector<char*> argv;
  for (std::string& word : own) argv.push_back(word.data());
  argv.push_back(nullptr);
  return run_command("anemll", usage(), commands, static_cast<int>(own.size()), argv.data());
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_tool([&] { return front({argv + (argc > 0 ? 1 : 0), argv + argc}); });
}
