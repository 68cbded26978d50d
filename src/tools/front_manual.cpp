#include "src/tools/front_manual.hpp"

#include "anemll/core/choices.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "anemll/core/options.hpp"
#include "src/core/build_info.hpp"
#include "src/core/child.hpp"
#include "src/core/nearest.hpp"
#include "src/core/tool.hpp"
#include "src/manual/manual.hpp"
#include "src/tools/front_programs.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anemll {
namespace {

namespace fs = std::filesystem;

enum class ManualForm { markdown, man, bash, zsh, fish };
constexpr auto kManualForms = std::to_array<Choice<ManualForm>>({{ManualForm::markdown, "markdown"},
                                                                 {ManualForm::man, "man"},
                                                                 {ManualForm::bash, "bash"},
                                                                 {ManualForm::zsh, "zsh"},
                                                                 {ManualForm::fish, "fish"}});
constexpr std::span<const Choice<ManualForm>> choices_of(ManualForm) {
  return kManualForms;
}

constexpr std::size_t kMostHelp = std::size_t{8} << 20;
constexpr double kHelpLimit_s = 300;

constexpr const char* kReferenceHead =
    "# Options of all programs\n\nMade by `anemll manual`, out of the tables that `--help` prints. A test "
    "compares "
    "this file with them.\n\n## Options of every program\n";

struct ManualOptions {
  ManualForm form = ManualForm::markdown;
  std::optional<std::string> into;
  std::vector<std::string> names;
};

/// "train", "anemll_train" or "anemll" to the name in the table of programs; "front" is this one.
std::string program_named(std::string word) {
  std::ranges::replace(word, '-', '_');
  if (word == "anemll") return "front";
  if (word.starts_with("anemll_")) word.erase(0, 7);
  std::vector<std::string> known;
  for (const FrontProgram& program : front_programs()) {
    if (program.name == word) return word;
    known.emplace_back(program.name);
  }
  throw_usage("there is no program '" + word + "'", "NAME",
              did_you_mean(word, known) + "anemll help lists them");
}

std::string said(const FrontPlace& place, const std::string& name, const std::string& help) {
  ChildSetup setup;
  setup.with_errors = false;
  setup.most_output = kMostHelp;
  setup.limit_s = kHelpLimit_s;
  const fs::path program = place.program(name);
  const ChildEnd end = run_child(program, {help}, setup);
  if (end.code != 0)
    throw_data(strf("%s ends with %d", help.c_str(), end.code), program.string(),
               "start it to see why; anemll env tells of missing libraries");
  return end.output;
}

ProgramManual manual_of(const FrontPlace& place, const std::string& name) {
  ProgramManual manual =
      read_manual(said(place, name, "--help=json"), place.program(name).filename().string());
  if (name != "front") return manual;
  for (const FrontProgram& program : front_programs())
    manual.starts.push_back({std::string(program.name), place.program(program.name).filename().string()});
  for (const std::string_view script : front_scripts()) manual.starts.push_back({std::string(script), ""});
  return manual;
}

/// Its headings below those of the reference.
std::string markdown_section(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.starts_with('#')) out += '#';
    out += line;
    out += '\n';
    at = end + 1;
  }
  return out;
}

/// The sections of all programs with the group that every table begins with in one place.
std::string reference(std::string sections) {
  constexpr std::string_view kGroup = "\n### General\n";
  std::string general;
  for (std::size_t at = sections.find(kGroup); at != std::string::npos; at = sections.find(kGroup)) {
    const std::size_t body = at + kGroup.size();
    const std::size_t end =
        std::min({sections.find("\n### ", body), sections.find("\n## ", body), sections.size()});
    if (general.empty()) general = sections.substr(body, end - body);
    sections.erase(at, end - at);
  }
  return kReferenceHead + general + "\n" + sections;
}

std::string text_of(const FrontPlace& place, const std::string& name, ManualForm form) {
  switch (form) {
    case ManualForm::markdown:
      return markdown_section(said(place, name, "--help=markdown"));
    case ManualForm::man:
      return man_page(manual_of(place, name), build_info().version);
    case ManualForm::bash:
      return bash_completion(manual_of(place, name));
    case ManualForm::zsh:
      return zsh_completion(manual_of(place, name));
    case ManualForm::fish:
      return fish_completion(manual_of(place, name));
  }
  return "";
}

/// The places that man and the shells look at below a folder share.
void write_into(const fs::path& share, const FrontPlace& place, const std::string& name) {
  const ProgramManual manual = manual_of(place, name);
  const std::string& program = manual.program;
  const auto write = [&share](const fs::path& file, const std::string& text) {
    fs::create_directories((share / file).parent_path());
    write_file(share / file, text);
  };
  write("bash-completion/completions/" + program, bash_completion(manual));
  write("zsh/site-functions/_" + program, zsh_completion(manual));
  write("fish/vendor_completions.d/" + program + ".fish", fish_completion(manual));
  write("man/man1/" + program + ".1",
        man_page(manual, build_info().version));  // the last: the build goes by it
}

}  // namespace

int front_manual_command(int argc, char** argv) {
  ManualOptions o;
  OptionTable table("anemll manual",
                    "Man pages, completions and the reference of all options, made of what the programs say.",
                    "");
  table.add_choice("form", &o.form,
                   "What to print: a section of the reference, a man page, or completions of a shell.");
  table.add("into", &o.into,
            "Writes man pages and completions of all shells below this folder, as they lie in share, and "
            "prints nothing.");
  table.mark_path("into");
  table.add_positional("NAME", &o.names, "Programs: train or anemll_train; all where none is named.", false);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  const FrontPlace place;
  std::vector<std::string> names;
  for (const std::string& word : o.names) names.push_back(program_named(word));
  const bool all = names.empty();
  if (all) {
    names.emplace_back("front");
    for (const FrontProgram& program : front_programs()) names.emplace_back(program.name);
  }
  std::string out;
  for (const std::string& name : names) {
    if (o.into) {
      write_into(*o.into, place, name);
    } else {
      if (!out.empty() && o.form == ManualForm::markdown) out += '\n';
      out += text_of(place, name, o.form);
    }
  }
  if (all && o.form == ManualForm::markdown) out = reference(std::move(out));
  if (!o.into) print_result(out);
  return 0;
}

}  // namespace anemll
