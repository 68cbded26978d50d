// OptionTable: declaration of options and the order in which the sources of values are read. The sources are
// in option_sources.cpp, the meaning of values in option_spec.cpp, the printed texts in option_text.cpp.
#include "anemll/core/options.hpp"

#include "anemll/core/log.hpp"
#include "src/core/build_info.hpp"
#include "src/core/internal/environment.hpp"
#include "src/core/internal/help_form.hpp"
#include "src/core/internal/option_sources.hpp"
#include "src/core/internal/option_spec.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr std::size_t kPlainWidth = 80;
constexpr std::size_t kMaxWidth = 120;  // longer lines are hard to read

std::size_t terminal_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kPlainWidth;
  }
  return std::min<std::size_t>(size.ws_col, kMaxWidth);
}

constexpr const char* kVersion = "version";

/// Works whatever else stands on the line. Where a program has a --version with a value, one without a value
/// still asks for the build.
bool asks_for_build(const TableSpec& table, const std::vector<std::string>& args) {
  const std::string flag = std::string("--") += kVersion;
  const bool takes_value = table.find(kVersion)->kind != OptionKind::builtin;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--") return false;
    if (args[i] == flag) return !takes_value || i + 1 == args.size() || args[i + 1].starts_with('-');
  }
  return false;
}

}  // namespace

struct OptionTable::Impl {
  TableSpec table;
  std::string group = "Options";

  std::string help_in(HelpForm form) const {
    switch (form) {
      case HelpForm::markdown:
        return render_markdown(table);
      case HelpForm::json:
        return render_description(table);
      case HelpForm::text:
        break;
    }
    return render_help(table, terminal_width());
  }

  OptionSpec& existing(const std::string& name, const char* what) {
    OptionSpec* option = table.find(name);
    if (option == nullptr) throw std::logic_error("no option '" + name + "' " + what);
    return *option;
  }

  /// That no other option answers to the name or, for a switch, to its "no-" form.
  void require_new(const std::string& name, OptionKind kind) const {
    if (name.empty() || name.find_first_of(" =#") != std::string::npos || name.front() == '-') {
      throw std::logic_error("option name '" + name + "' is not made of words, dashes and underscores");
    }
    for (const Spelling& taken : table.spellings()) {
      if (same_name(taken.text, name) ||
          (kind == OptionKind::toggle && same_name(taken.text, "no-" + name))) {
        throw std::logic_error("option '" + name + "' is declared twice: '" + taken.text + "' is the same");
      }
    }
  }

  OptionSpec& declare(OptionSpec spec) {
    if (spec.name == kVersion) {  // a program may own the name: see OptionTable
      std::erase_if(table.options,
                    [](const OptionSpec& o) { return o.name == kVersion && o.kind == OptionKind::builtin; });
    }
    require_new(spec.name, spec.kind);
    spec.group = spec.kind == OptionKind::positional ? "Arguments" : group;
    const std::optional<std::string> initial = spec.value();
    spec.default_set = initial.has_value();
    spec.default_text = initial.value_or("");
    table.options.push_back(std::move(spec));
    return table.options.back();
  }

  template <class T>
  void add(std::string&& name, T target, std::string&& help) {
    OptionSpec o;
    o.name = std::move(name);
    o.help = std::move(help);
    o.target = std::move(target);
    declare(std::move(o));
  }
  template <class T, class N>
  void add(std::string&& name, T target, std::string&& help, N min, N max) {
    OptionSpec o;
    o.name = std::move(name);
    o.help = std::move(help);
    o.target = target;
    if constexpr (std::is_same_v<N, double>) {
      o.real_min = min;
      o.real_max = max;
    } else {
      o.int_min = min;
      o.int_max = max;
    }
    declare(std::move(o));
  }
  template <class T>
  void add_positional(std::string&& name, T target, std::string&& help, bool required) {
    OptionSpec o;
    o.name = std::move(name);
    o.help = std::move(help);
    o.target = target;
    o.kind = OptionKind::positional;
    o.required = required;
    declare(std::move(o));
  }
  void add_builtins() {
    const std::string before = std::exchange(group, "General");
    const auto builtin = [this](const char* name, bool takes_value, const char* help) {
      OptionSpec o;
      o.name = name;
      o.help = help;
      o.kind = OptionKind::builtin;
      o.takes_value = takes_value;
      declare(std::move(o));
    };
    builtin(
        "config-file", true,
        "Read options from this file, lines \"name = value\", # starts a comment, quotes as needed. May be "
        "given several times; the later file wins.");
    builtin("help", false,
            "Print this help and exit. --help=markdown and --help=json give the table to other programs.");
    builtin(kVersion, false, "Print the facts of this build and exit.");
    builtin("print-config", false, "Print the value and the source of every option and exit.");
    group = before;
  }
};

OptionTable::OptionTable(std::string program, std::string summary, std::string environment_prefix)
    : impl_(std::make_unique<Impl>()) {
  impl_->table.program = std::move(program);
  impl_->table.summary = std::move(summary);
  impl_->table.environment_prefix = std::move(environment_prefix);
  impl_->add_builtins();
}
OptionTable::~OptionTable() = default;
OptionTable::OptionTable(OptionTable&&) noexcept = default;

void OptionTable::group(std::string title) {
  impl_->group = std::move(title);
}

void OptionTable::add(std::string name, std::string* value, std::string help) {
  impl_->add(std::move(name), value, std::move(help));
}
void OptionTable::add(std::string name, std::optional<std::string>* value, std::string help) {
  impl_->add(std::move(name), value, std::move(help));
}
void OptionTable::add(std::string name, std::vector<std::string>* values, std::string help) {
  impl_->add(std::move(name), values, std::move(help));
}
void OptionTable::add(std::string name, std::int64_t* value, std::string help, std::int64_t min,
                      std::int64_t max) {
  impl_->add(std::move(name), value, std::move(help), min, max);
}
void OptionTable::add(std::string name, double* value, std::string help, double min, double max) {
  impl_->add(std::move(name), value, std::move(help), min, max);
}
void OptionTable::add(std::string name, std::optional<std::int64_t>* value, std::string help,
                      std::int64_t min, std::int64_t max) {
  impl_->add(std::move(name), value, std::move(help), min, max);
}
void OptionTable::add(std::string name, std::optional<double>* value, std::string help, double min,
                      double max) {
  impl_->add(std::move(name), value, std::move(help), min, max);
}
void OptionTable::add_bound(std::string name, BoundChoice value, std::string help) {
  impl_->add(std::move(name), std::move(value), std::move(help));
}
void OptionTable::add_flag(std::string name, bool* value, std::string help) {
  OptionSpec o;
  o.name = std::move(name);
  o.help = std::move(help);
  o.target = value;
  o.kind = OptionKind::flag;
  impl_->declare(std::move(o));
}
void OptionTable::add_switch(std::string name, bool* value, std::string help) {
  OptionSpec o;
  o.name = std::move(name);
  o.help = std::move(help);
  o.target = value;
  o.kind = OptionKind::toggle;
  impl_->declare(std::move(o));
}
void OptionTable::add_refused(std::string name, bool takes_value, std::string message, std::string hint) {
  OptionSpec o;
  o.name = std::move(name);
  o.kind = OptionKind::refused;
  o.takes_value = takes_value;
  o.message = std::move(message);
  o.hint = std::move(hint);
  impl_->declare(std::move(o));
}
void OptionTable::add_positional(std::string name, std::string* value, std::string help, bool required) {
  impl_->add_positional(std::move(name), value, std::move(help), required);
}
void OptionTable::add_positional(std::string name, std::vector<std::string>* values, std::string help,
                                 bool required) {
  impl_->add_positional(std::move(name), values, std::move(help), required);
}
void OptionTable::add_alias(const std::string& name, std::string alias) {
  OptionSpec& option = impl_->existing(name, "of another name");
  impl_->require_new(alias, option.kind);
  option.aliases.push_back(std::move(alias));
}
void OptionTable::require(const std::string& name) {
  impl_->existing(name, "to require").required = true;
}
void OptionTable::require_unless(const std::string& name, std::string flag) {
  impl_->existing(flag, "that makes another needless");
  require(name);
  impl_->existing(name, "to require").required_unless = std::move(flag);
}
void OptionTable::add_word(const std::string& name, std::string word, std::int64_t value) {
  OptionSpec& option = impl_->existing(name, "that takes a word");
  if (!std::holds_alternative<std::int64_t*>(option.target))
    throw std::logic_error("option '" + name + "' is no whole number, so no word stands for one");
  option.word = std::move(word);
  option.word_value = value;
}
void OptionTable::mark_path(const std::string& name) {
  impl_->existing(name, "that is a path").is_path = true;
}
void OptionTable::mark_own(const std::string& name) {
  impl_->existing(name, "of a rank's own").own = true;
}

OptionTable::Outcome OptionTable::parse(int argc, const char* const* argv, bool tell) {
  const std::vector<std::string> args(argc > 0 ? argv + 1 : argv, argv + argc);
  if (const auto form = help_form(args)) {
    print_result(impl_->help_in(*form));
    return Outcome::exit_ok;
  }
  if (asks_for_build(impl_->table, args)) {
    print_result(build_summary(impl_->table.program) + "\n");
    return Outcome::exit_ok;
  }
  TableSpec& table = impl_->table;
  const std::vector<OptionWord> line = parse_command_line(table, args);
  for (const OptionWord& word : line) {
    if (word.name != "config-file") continue;
    read_config_file(table, word.value);
    table.find("config-file")->source = "command line";
  }
  read_environment(table);
  for (const EnvironmentNotice& notice : environment_notices(table, tell ? ::environ : nullptr)) {
    log(notice.misspelt ? LogLevel::warning : LogLevel::info, notice.text);
  }
  apply_command_line(table, line);
  for (const OptionWord& word : line) {
    if (word.name != "print-config") continue;
    print_result(resolved());
    return Outcome::exit_ok;
  }
  check_required(table);
  return Outcome::run;
}

std::string OptionTable::shared_json() const {
  return render_shared(impl_->table);
}

std::vector<OptionTable::Difference> OptionTable::adopt(const std::string& shared_json) {
  std::vector<Difference> differences;
  for (const SharedValue& there : parse_shared(shared_json)) {
    OptionSpec& here = impl_->existing(there.name, "that the other rank has");
    const std::optional<std::string> before = here.value();
    if (before != there.value) {
      differences.push_back(
          {here.name, before.value_or("not set"), there.value.value_or("not set"), here.source});
      here.take(there.value);
    }
    here.source = there.source;
  }
  return differences;
}

bool OptionTable::given(const std::string& name) const {
  return source(name) != "default";
}

std::vector<std::string> OptionTable::given_names() const {
  std::vector<std::string> names;
  for (const OptionSpec& o : impl_->table.options) {
    if (o.source != "default") names.push_back(o.name);
  }
  return names;
}

std::string OptionTable::source(const std::string& name) const {
  return impl_->existing(name, "").source;
}

std::string OptionTable::help() const {
  return impl_->help_in(HelpForm::text);
}
std::string OptionTable::markdown() const {
  return impl_->help_in(HelpForm::markdown);
}
std::string OptionTable::resolved() const {
  return render_resolved(impl_->table);
}
std::string OptionTable::json() const {
  return render_json(impl_->table);
}

std::vector<std::string> OptionTable::command() const {
  return command_words(impl_->table);
}

std::vector<std::string> OptionTable::names() const {
  std::vector<std::string> all;
  for (const OptionSpec& o : impl_->table.options) all.push_back(o.name);
  return all;
}

}  // namespace anemll
