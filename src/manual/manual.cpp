#include "src/manual/manual.hpp"

#include "anemll/core/error.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::json;

OptionText option_of(const Json& json) {
  OptionText o;
  o.name = json.at("name").get<std::string>();
  o.kind = json.at("kind").get<std::string>();
  o.group = json.at("group").get<std::string>();
  o.shown = json.at("shown").get<std::string>();
  o.value = json.at("value").get<std::string>();
  o.help = json.at("help").get<std::string>();
  o.facts = json.at("facts").get<std::string>();
  o.list = json.at("list").get<bool>();
  o.path = json.at("path").get<bool>();
  o.aliases = json.at("aliases").get<std::vector<std::string>>();
  o.words = json.at("words").get<std::vector<std::string>>();
  return o;
}

OptionPage page_of(const Json& json) {
  OptionPage page;
  page.program = json.at("program").get<std::string>();
  page.summary = json.at("summary").get<std::string>();
  page.usage = json.at("usage").get<std::string>();
  page.rules = json.at("rules").get<std::string>();
  for (const Json& option : json.at("options")) page.options.push_back(option_of(option));
  return page;
}

}  // namespace

std::vector<std::string> OptionText::spellings() const {
  std::vector<std::string> all;
  if (kind == "argument") return all;
  std::vector<std::string> names = {name};
  names.insert(names.end(), aliases.begin(), aliases.end());
  for (const std::string& one : names) {
    all.push_back("--" + one);
    if (kind == "switch") all.push_back("--no-" + one);
  }
  return all;
}

std::string OptionText::text() const {
  if (facts.empty()) return help;
  return help + (help.empty() ? "(" : " (") + facts + ")";
}

std::string OptionText::brief() const {
  return help.empty() ? facts : help.substr(0, std::min(help.find("; "), help.find(". ")));
}

std::string OptionPage::command() const {
  const std::size_t blank = program.find(' ');
  return blank == std::string::npos ? "" : program.substr(blank + 1);
}

std::string ProgramManual::summary() const {
  if (usage.empty()) return pages.empty() ? "" : pages.front().summary;
  const std::string line = usage.substr(0, usage.find('\n'));  // "PROGRAM: what it does"
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? line : line.substr(colon + 2);
}

ProgramManual read_manual(std::string_view json_lines, const std::string& program) {
  ProgramManual manual;
  manual.program = program;
  try {
    for (std::size_t at = 0; at < json_lines.size();) {
      const std::size_t end = std::min(json_lines.find('\n', at), json_lines.size());
      const Json json = Json::parse(json_lines.substr(at, end - at));
      at = end + 1;
      if (json.contains("commands")) {
        manual.usage = json.at("usage").get<std::string>();
      } else {
        manual.pages.push_back(page_of(json));
      }
    }
  } catch (const Json::exception&) {
    manual.pages.clear();
  }
  if (manual.pages.empty())
    throw_data("what it says of its options is no option table", program,
               "it comes from another build: build or install all programs together");
  return manual;
}

}  // namespace anemll
