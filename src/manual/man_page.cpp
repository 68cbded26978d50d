// A page of man(1), in the macros of man(7).
#include "src/manual/manual.hpp"

#include <algorithm>
#include <cctype>

namespace anemll {
namespace {

// As include/anemll/core/error.hpp has them.
constexpr const char* kExitCodes[][2] = {{"0", "done"},
                                         {"1", "a mistake of the program"},
                                         {"2", "command line or configuration"},
                                         {"3", "a file or its content"},
                                         {"4", "MPI, NCCL, or a rank was lost"},
                                         {"5", "values that are not finite, or a failed verification"},
                                         {"75", "stopped in order: the same command goes on"}};

/// Text in which roff sees no request, escape or hyphen.
std::string plain(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) {
  return "\\fB" + plain(text) + "\\fR";
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string section(const std::string& title) {
  return ".SH \"" + plain(upper(title)) + "\"\n";
}

/// Its lines as they are.
std::string verbatim(const std::string& text) {
  return ".nf\n" + plain(text) + (text.ends_with('\n') ? "" : "\n") + ".fi\n";
}

/// "--lr X": the name bold, the value in italics.
std::string left_side(const OptionText& option) {
  const std::size_t value = option.value.empty() ? 0 : option.value.size() + 1;
  if (!option.shown.ends_with(option.value)) return bold(option.shown);
  std::string out = bold(option.shown.substr(0, option.shown.size() - value));
  if (value > 0) out += " \\fI" + plain(option.value) + "\\fR";
  return out;
}

std::string options_of(const OptionPage& page) {
  std::string out, group;
  for (const OptionText& option : page.options) {
    if (option.group != group) out += ".SS \"" + plain(option.group) + "\"\n";
    group = option.group;
    out += ".TP\n" + left_side(option) + "\n" + plain(option.text()) + "\n";
  }
  return out;
}

/// Without the word "Usage: ".
std::string synopsis(const OptionPage& page) {
  const std::size_t colon = page.usage.find(": ");
  return plain(colon == std::string::npos ? page.usage : page.usage.substr(colon + 2)) + "\n";
}

/// Options of one group may stand apart in the table.
OptionPage in_groups(OptionPage page) {
  std::vector<std::string> groups;
  for (const OptionText& option : page.options) {
    if (std::ranges::find(groups, option.group) == groups.end()) groups.push_back(option.group);
  }
  std::ranges::stable_sort(page.options, {}, [&](const OptionText& option) {
    return std::ranges::find(groups, option.group) - groups.begin();
  });
  return page;
}

}  // namespace

std::string man_page(const ProgramManual& manual, const std::string& version) {
  std::string summary = manual.summary();
  if (summary.ends_with('.')) summary.pop_back();
  std::string out = ".TH \"" + plain(upper(manual.program)) + "\" \"1\" \"\" \"anemll_train " +
                    plain(version) + "\" \"anemll_train\"\n";
  out += section("name") + plain(manual.program) + " \\- " + plain(summary) + "\n";
  out += section("synopsis");
  if (manual.usage.empty()) {
    const OptionPage& page = manual.pages.front();
    out += synopsis(page) + section("description") + plain(page.summary) + "\n.PP\n" + plain(page.rules) +
           "\n" + section("options") + options_of(in_groups(page)) + section("exit status");
    for (const auto& [code, meaning] : kExitCodes) out += ".TP\n" + bold(code) + "\n" + meaning + "\n";
  } else {
    out += bold(manual.program) + " command arguments\n" + section("description") + verbatim(manual.usage);
    for (const OptionPage& page : manual.pages) {
      out += section(page.program) + synopsis(page) + ".PP\n" + plain(page.summary) + "\n.PP\n" +
             plain(page.rules) + "\n" + options_of(in_groups(page));
    }
  }
  std::string others;
  for (const StartedProgram& one : manual.starts) {
    if (!one.program.empty()) others += (others.empty() ? "" : ",\n") + bold(one.program) + "(1)";
  }
  if (manual.starts.empty()) others = bold("anemll") + "(1)";
  return out + section("see also") + others + "\n";
}

}  // namespace anemll
