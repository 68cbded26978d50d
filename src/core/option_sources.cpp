// The three sources of option values; see the header for the contract.
#include "src/core/internal/option_sources.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/content_kind.hpp"
#include "src/core/internal/value_text.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <boost/program_options.hpp>

namespace anemll {
namespace po = boost::program_options;
namespace {

bool switches(const OptionSpec& o) {
  return o.kind == OptionKind::flag || o.kind == OptionKind::toggle ||
         (o.kind == OptionKind::builtin && o.name != "config-file") ||
         (o.kind == OptionKind::refused && !o.takes_value);
}

po::options_description description(const TableSpec& table) {
  po::options_description all;
  for (const OptionSpec& o : table.options) {
    if (o.kind == OptionKind::positional) continue;
    const std::string name = o.name == "help" ? "help,h" : o.name;
    // Boost takes ownership of the value description.
    all.add_options()(name.c_str(), new po::untyped_value(switches(o)));
    if (o.kind == OptionKind::toggle)
      all.add_options()(("no-" + o.name).c_str(), new po::untyped_value(true));
  }
  return all;
}

/// One value from any source; `key` is a canonical spelling.
void set(TableSpec& table, const std::string& key, const std::string& text, const std::string& place,
         const std::string& source) {
  OptionSpec* option = table.find(key);
  if (option == nullptr) {  // the "no-" form
    option = table.find(key.substr(3));
    const std::optional<bool> value = parse_bool(text);
    option->assign(value ? (*value ? "false" : "true") : text, place, source);
    return;
  }
  if (option->kind == OptionKind::refused) {
    // Saying "off" to what does not exist is no request.
    if (!option->takes_value && parse_bool(text) == false) return;
    throw_usage(option->message + " (source: " + source + ")", place, option->hint);
  }
  option->assign(text, place, source);
}

}  // namespace

void read_config_file(TableSpec& table, const std::string& path) {
  std::string content;
  try {
    content = read_input_text(expand_home(path).value_or(path), "a config file");
  } catch (const Error& error) {
    throw_usage("cannot read the config file: " + error.problem(), "--config-file " + path,
                error.hint() + "; a config file has name = value lines");
  }
  std::map<std::string, int> seen;
  std::istringstream lines(config_text(std::move(content), path));
  std::string text;
  for (int number = 1; std::getline(lines, text); ++number) {
    const std::string place = path + ":" + std::to_string(number);
    if (!text.empty() && text.back() == '\r') text.pop_back();
    const std::optional<ConfigLine> line = parse_config_line(text, place);
    if (!line) continue;
    const std::string key = table.canonical(line->name);
    const OptionSpec* option = table.find(key.empty() ? line->name : key);
    if (option != nullptr &&
        (option->kind == OptionKind::builtin || option->kind == OptionKind::positional)) {
      throw_usage("'" + option->name + "' has no meaning in a config file", place,
                  "give it on the command line");
    }
    if (key.empty()) {
      throw_usage("unknown option '" + line->name + "'", place,
                  table.suggestion(line->name, "") + "'" + table.program + " --help' lists all options");
    }
    const std::string base = option == nullptr ? key.substr(3) : key;
    const auto [earlier, fresh] = seen.emplace(base, number);
    if (!fresh) {
      throw_usage("'" + base + "' is already set on line " + std::to_string(earlier->second), place,
                  "keep one of the two lines");
    }
    set(table, key, line->value, place + ": " + key, place);
  }
}

void read_environment(TableSpec& table) {
  for (const OptionSpec& o : table.options) {
    std::string earlier;
    for (const std::string& variable : table.variables(o)) {
      const char* text = std::getenv(variable.c_str());
      if (text == nullptr || *text == '\0') continue;  // empty means unset, as shells leave it
      if (!earlier.empty()) {
        throw_usage("two variables set --" + o.name, earlier + ", " + variable, "unset one of them");
      }
      set(table, o.name, text, variable, "environment " + variable);
      earlier = variable;
    }
  }
}

namespace {

/// The words with every option that we have in its canonical spelling, which is the one that Boost is told.
/// Others stay as they were typed.
std::vector<std::string> canonical_words(const TableSpec& table, std::vector<std::string> words) {
  for (std::string& word : words) {
    if (word == "--") break;
    if (!word.starts_with("--")) continue;
    const std::size_t end = std::min(word.find('='), word.size());
    const std::string name = table.canonical(std::string_view(word).substr(2, end - 2));
    if (!name.empty()) word.replace(2, end - 2, name);
  }
  return words;
}

/// Throws for the first flag of `words` that is refused: what it says (another program, say) explains the
/// words that nobody knows beside it.
void refuse_first(const TableSpec& table, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return;
    const OptionSpec* option = word.starts_with("--") ? table.find(word.substr(2)) : nullptr;
    if (option != nullptr && option->kind == OptionKind::refused)
      throw_usage(option->message + " (source: command line)", word, option->hint);
  }
}

}  // namespace

std::vector<OptionWord> parse_command_line(const TableSpec& table, const std::vector<std::string>& args) {
  using namespace po::command_line_style;
  constexpr int kStyle = allow_long | long_allow_adjacent | long_allow_next | allow_short | short_allow_next |
                         allow_dash_for_short;  // no allow_guessing: "--batch" is not --batch-size
  const po::options_description known = description(table);
  const std::string more = "'" + table.program + " --help' lists all options";
  const auto bare = [](const std::string& name) {
    const std::size_t first = name.find_first_not_of('-');
    return first == std::string::npos ? name : name.substr(first);
  };
  const std::vector<std::string> canonical = canonical_words(table, args);
  std::vector<po::option> parsed;
  try {
    parsed = po::command_line_parser(canonical).options(known).style(kStyle).run().options;
  } catch (const po::unknown_option& e) {
    refuse_first(table, canonical);
    std::string name = bare(e.get_option_name());
    name.resize(std::min(name.find('='), name.size()));
    throw_usage("unknown option '--" + name + "'", "command line", table.suggestion(name, "--") + more);
  } catch (const po::error_with_option_name& e) {
    const std::string name = bare(e.get_option_name());
    const OptionSpec* option = table.find(name);
    if (option == nullptr || switches(*option)) throw_usage("takes no value", "--" + name, more);
    if (option->kind == OptionKind::refused) throw_usage(option->message, "--" + name, option->hint);
    throw_usage("needs a value", "--" + name, "give " + option->expectation());
  } catch (const po::error& e) {
    throw_usage(e.what(), "command line", more);
  }
  std::vector<OptionWord> words;
  for (const po::option& o : parsed) {
    // Boost takes the next word whatever it is; "--cache-dir --lr 1" is a forgotten value.
    if (o.original_tokens.size() == 2 && o.original_tokens[1].starts_with("--")) {
      throw_usage("needs a value, but '" + o.original_tokens[1] + "' follows", "--" + o.string_key,
                  "write --" + o.string_key + "=VALUE if the value starts with dashes");
    }
    words.push_back({o.string_key, o.value.empty() ? "true" : o.value.front()});
  }
  return words;
}

void apply_command_line(TableSpec& table, const std::vector<OptionWord>& words) {
  std::vector<OptionSpec*> arguments;
  for (OptionSpec& o : table.options) {
    if (o.kind == OptionKind::positional) arguments.push_back(&o);
  }
  std::size_t next = 0;
  for (const auto& [name, value] : words) {
    if (!name.empty()) {
      const OptionSpec* option = table.find(name);
      if (option != nullptr && option->kind == OptionKind::builtin) continue;
      set(table, name, value, "--" + name, "command line");
      continue;
    }
    if (next == arguments.size()) {
      throw_usage("unexpected argument '" + value + "'", "command line",
                  table.suggestion(value, "--") + "options start with --");
    }
    arguments[next]->assign(value, arguments[next]->name, "command line");
    if (!arguments[next]->is_list()) ++next;
  }
}

void check_required(const TableSpec& table) {
  for (const OptionSpec& o : table.options) {
    if (!o.required || o.source != "default") continue;
    if (!o.required_unless.empty() && table.find(o.required_unless)->value() == "true") continue;
    if (o.kind == OptionKind::positional) {
      throw_usage("the argument " + o.name + " is missing", "command line", o.help);
    }
    std::string others;
    for (const std::string& alias : o.aliases) others.append("--").append(alias).append(", ");
    const std::string variable = table.variable(o.name);
    throw_usage("this option is required", "--" + o.name,
                o.help + (variable.empty() ? "" : " (also: " + others + variable + " or a config file)"));
  }
}

}  // namespace anemll
