// The texts made from the option table: --help, the table of the docs, what other programs read of it,
// --print-config and JSON.
#include "src/core/internal/option_spec.hpp"
#include "src/core/internal/value_text.hpp"

#include <algorithm>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

constexpr std::size_t kNameColumn = 30;  // longer names put their help on the next line
constexpr std::size_t kMinTextWidth = 24;

/// Breaks `text` at blanks; the first line starts at column `start`, the others at `indent`.
void wrap(std::string& out, const std::string& text, std::size_t start, std::size_t indent,
          std::size_t width) {
  const std::size_t limit = std::max(width, indent + kMinTextWidth);
  std::size_t column = start;
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t word = text.find_first_not_of(" \n", at);
    if (word == std::string::npos) break;
    const std::size_t end = std::min(text.find_first_of(" \n", word), text.size());
    if (!first && column + 1 + (end - word) > limit) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out.append(text, word, end - word);
    column += end - word;
    at = end;
    first = false;
  }
  out += '\n';
}

std::string left_column(const OptionSpec& o) {
  if (o.kind == OptionKind::positional) return "  " + o.name;
  std::string text = o.name == "help" ? "  -h, --" : "  --";
  text += o.kind == OptionKind::toggle ? "[no-]" + o.name : o.name;
  const std::string placeholder = o.placeholder();
  return placeholder.empty() ? text : text + ' ' + placeholder;
}

std::string required_words(const OptionSpec& o) {
  return o.required_unless.empty() ? "required" : "required without --" + o.required_unless;
}

std::string default_words(const OptionSpec& o) {
  if (o.kind == OptionKind::refused || o.kind == OptionKind::builtin || o.kind == OptionKind::flag) return {};
  if (o.required) return required_words(o);
  if (!o.default_set || o.default_text.empty()) return {};
  if (o.kind == OptionKind::toggle) return o.default_text == "true" ? "default on" : "default off";
  return "default " + o.default_text;
}

/// "--cache_dir, --hub": the other names of an option.
std::string other_names(const OptionSpec& o) {
  std::string text;
  for (const std::string& alias : o.aliases) {
    text += text.empty() ? "--" : ", --";
    text += alias;
  }
  return text;
}

std::string facts(const OptionSpec& o) {
  if (o.kind == OptionKind::refused) return "not available: " + o.message;
  const std::string others = other_names(o);
  std::string text;
  for (const std::string& fact : {o.range(), default_words(o), others.empty() ? others : "also " + others}) {
    if (fact.empty()) continue;
    text += text.empty() ? "" : "; ";
    text += fact;
  }
  return text;
}

std::vector<std::string> groups_of(const TableSpec& table) {
  std::vector<std::string> groups;
  for (const OptionSpec& o : table.options) {
    if (std::find(groups.begin(), groups.end(), o.group) == groups.end()) groups.push_back(o.group);
  }
  return groups;
}

std::string usage_line(const TableSpec& table) {
  std::string text = "Usage: " + table.program + " [options]";
  for (const OptionSpec& o : table.options) {
    if (o.kind != OptionKind::positional) continue;
    const std::string word = o.is_list() ? o.name + " ..." : o.name;
    text += o.required ? ' ' + word : " [" + word + ']';
  }
  return text;
}

std::string rules_of(const TableSpec& table) {
  std::string rules = "Precedence: command line";
  if (!table.environment_prefix.empty()) rules += " > environment (" + table.variable("name") + ")";
  return rules +
         " > config file > default. Config files hold lines \"name = value\" with the names above, without "
         "dashes in front. - and _ are equal in names.";
}

const char* kind_word(OptionKind kind) {
  switch (kind) {
    case OptionKind::value:
      return "value";
    case OptionKind::flag:
      return "flag";
    case OptionKind::toggle:
      return "switch";
    case OptionKind::refused:
      return "refused";
    case OptionKind::positional:
      return "argument";
    case OptionKind::builtin:
      break;
  }
  return "general";
}

bool has_value(const OptionSpec& o) {
  return o.kind != OptionKind::refused && o.kind != OptionKind::builtin;
}

std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::string render_help(const TableSpec& table, std::size_t width) {
  std::string out = table.program + ": ";
  wrap(out, table.summary, out.size(), 2, width);
  out += '\n';
  wrap(out, usage_line(table), 0, 7, width);
  std::size_t column = 0;
  for (const OptionSpec& o : table.options) {
    const std::size_t length = left_column(o).size() + 2;
    if (length <= kNameColumn) column = std::max(column, length);
  }
  for (const std::string& group : groups_of(table)) {
    out += '\n' + group + ":\n";
    for (const OptionSpec& o : table.options) {
      if (o.group != group) continue;
      std::string left = left_column(o);
      if (left.size() + 2 > column) {
        out += left + '\n' + std::string(column, ' ');
      } else {
        left.resize(column, ' ');
        out += left;
      }
      const std::string extra = facts(o);
      const std::string joint = o.help.empty() || extra.empty() ? "" : " ";
      wrap(out, o.help + joint + (extra.empty() ? "" : "(" + extra + ")"), column, column, width);
    }
  }
  out += '\n';
  wrap(out, rules_of(table), 0, 0, width);
  return out;
}

std::string render_description(const TableSpec& table) {
  using Json = nlohmann::ordered_json;
  Json object = {{"program", table.program},
                 {"summary", table.summary},
                 {"usage", usage_line(table)},
                 {"rules", rules_of(table)},
                 {"options", Json::array()}};
  for (const OptionSpec& o : table.options) {
    Json entry = {{"name", o.name},
                  {"kind", kind_word(o.kind)},
                  {"group", o.group},
                  {"shown", left_column(o).substr(2)},
                  {"value", o.kind == OptionKind::builtin && o.takes_value ? "FILE" : o.placeholder()},
                  {"help", o.help},
                  {"facts", facts(o)},
                  {"list", o.is_list()},
                  {"path", o.is_path || o.kind == OptionKind::builtin},
                  {"aliases", o.aliases},
                  {"words", Json::array()}};
    if (const auto* choice = std::get_if<BoundChoice>(&o.target)) entry["words"] = choice->names;
    if (!o.word.empty()) entry["words"].push_back(o.word);
    object["options"].push_back(std::move(entry));
  }
  return object.dump() + "\n";
}

std::string render_markdown(const TableSpec& table) {
  std::string out = "# " + table.program + "\n\n" + table.summary + "\n\n`" + usage_line(table) + "`\n";
  for (const std::string& group : groups_of(table)) {
    out += "\n## " + group + "\n\n| Option | Default | Allowed | Meaning |\n|---|---|---|---|\n";
    for (const OptionSpec& o : table.options) {
      if (o.group != group) continue;
      const std::string initial = o.required ? required_words(o) : o.default_set ? o.default_text : "";
      const std::string others = other_names(o);
      const std::string meaning = o.kind == OptionKind::refused
                                      ? o.help + (o.help.empty() ? "" : " ") + "Not available: " + o.message
                                  : others.empty() ? o.help
                                                   : o.help + " Also " + others + ".";
      out += "| `" + left_column(o).substr(2) + "` | " + cell(initial) + " | " + cell(o.range()) + " | " +
             cell(meaning) + " |\n";
    }
  }
  return out;
}

std::string render_resolved(const TableSpec& table) {
  std::string out = "# " + table.program + ": resolved options, readable by --config-file\n";
  for (const std::string& group : groups_of(table)) {
    std::string lines;
    for (const OptionSpec& o : table.options) {
      if (o.group != group || !has_value(o)) continue;
      const std::optional<std::string> value = o.value();
      std::string text = value.value_or("");
      const bool several = text.find('\n') != std::string::npos;
      std::replace(text.begin(), text.end(), '\n', ' ');
      std::string line = o.name + " = " + config_quoted(text);
      std::string note = o.source;
      // What a config file cannot say stays a comment: no value, a path that is empty, several values,
      // positional arguments.
      if (!value || (o.is_path && value->empty())) {
        line = "# " + line;
        note = o.required ? "required, not given" : "not set";
      } else if (o.kind == OptionKind::positional || several) {
        line = "# " + line;
      } else if (o.required && o.source == "default") {
        line = "# " + line;
        note = "required, not given";
      }
      lines += line + "  # " + note + '\n';
    }
    if (!lines.empty()) out += "\n# " + group + '\n' + lines;
  }
  return out;
}

std::string render_json(const TableSpec& table) {
  auto object = nlohmann::ordered_json::object();
  for (const OptionSpec& o : table.options) {
    if (!has_value(o)) continue;
    nlohmann::ordered_json& slot = object[o.name];  // null until a value says otherwise
    if (o.holds_word()) {
      slot = o.word;
      continue;
    }
    std::visit(
        [&](const auto& v) {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, BoundChoice>) {
            slot = v.name();
          } else if constexpr (std::is_pointer_v<std::decay_t<decltype(v)>>) {
            if constexpr (requires { v->has_value(); }) {
              if (v->has_value()) slot = **v;
            } else {
              slot = *v;
            }
          }
        },
        o.target);
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::vector<std::string> command_words(const TableSpec& table) {
  std::vector<std::string> words = {table.program};
  for (const OptionSpec& o : table.options) {
    const std::optional<std::string> value = o.value();
    if (!has_value(o) || o.own || o.source == "default" || !value) continue;
    const std::string name = "--" + o.name;
    if (o.kind == OptionKind::flag || o.kind == OptionKind::toggle) {
      if (*value == "true") words.push_back(name);
      if (*value == "false" && o.kind == OptionKind::toggle) words.push_back("--no-" + o.name);
      continue;
    }
    std::string_view rest = *value;
    for (bool more = true; more;) {
      const std::size_t end = o.is_list() ? std::min(rest.find('\n'), rest.size()) : rest.size();
      const std::string one(rest.substr(0, end));
      more = end < rest.size();
      rest.remove_prefix(more ? end + 1 : end);
      if (o.kind == OptionKind::positional) {
        words.push_back(one);
      } else if (one.starts_with('-')) {  // on its own it would be taken for an option
        words.push_back(name + '=' + one);
      } else {
        words.insert(words.end(), {name, one});
      }
    }
  }
  return words;
}

std::string render_shared(const TableSpec& table) {
  auto list = nlohmann::ordered_json::array();
  for (const OptionSpec& o : table.options) {
    if (!has_value(o) || o.own) continue;
    nlohmann::ordered_json entry = {{"name", o.name}, {"source", o.source}, {"value", nullptr}};
    if (const auto value = o.value()) entry["value"] = *value;
    list.push_back(std::move(entry));
  }
  return list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::vector<SharedValue> parse_shared(const std::string& json) {
  std::vector<SharedValue> values;
  for (const auto& entry : nlohmann::ordered_json::parse(json)) {
    SharedValue value{entry.at("name").get<std::string>(), {}, entry.at("source").get<std::string>()};
    if (entry.at("value").is_string()) value.value = entry["value"].get<std::string>();
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace anemll
