// anemll_watch: a running or finished training run in the terminal, from its files alone.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/options.hpp"
#include "src/core/printable.hpp"
#include "src/core/tool.hpp"
#include "src/plots/terminal.hpp"
#include "src/runs/recipe_status.hpp"
#include "src/runs/run_status.hpp"
#include "src/tools/watch_screen.hpp"
#include "src/tools/watch_text.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace {

using namespace anemll;
namespace fs = std::filesystem;

constexpr std::size_t kLeastHeight = 4, kMostHeight = 16;
constexpr std::size_t kAroundField = 6;  // title, axis, legend, blank lines

struct WatchOptions {
  std::string folder;
  double interval_s = 5;
  bool once = false;
  bool ascii = false;
  std::vector<std::string> logs;
};

OptionTable make_watch_table(WatchOptions& o) {
  OptionTable table("anemll_watch",
                    "A training run in the terminal, running or finished, from its files alone.");
  table.add_positional(
      "OUTPUT_DIR", &o.folder,
      "the --output-dir of the run, or the OUT of a recipe, of which the newest training is shown; one "
      "that has no row yet is waited for",
      true);
  table.add("interval", &o.interval_s, "seconds between looks", 0.1, 86400);
  table.add_flag("once", &o.once, "one look, and the end");
  table.add("log", &o.logs,
            "a file with what the run writes to stderr, for its warnings, ranks and hosts (also found: "
            "*.log, *.err "
            "and *.out in OUTPUT_DIR, and OUTPUT_DIR.log)");
  table.add_flag("ascii", &o.ascii, "plain ASCII, which is taken anyway where the locale is not UTF-8");
  for (const char* name : {"OUTPUT_DIR", "log"}) table.mark_path(name);
  return table;
}

/// A folder may come later, when its job leaves the queue; the one that it will lie in is there.
void check_folder(const WatchOptions& o) {
  std::error_code none;
  if (fs::is_directory(o.folder, none)) return;
  if (has_name(o.folder))
    throw_data("not a folder", o.folder, "name the --output-dir of a run; anemll_plot draws single logs");
  fs::path above = fs::path(o.folder).lexically_normal();
  if (above.filename().empty()) above = above.parent_path();
  above = above.parent_path();
  if (o.once || !(above.empty() || fs::is_directory(above, none)))
    throw_data("no such folder", o.folder, "name the --output-dir of a run");
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

/// What there is to tell at one moment.
struct Look {
  std::optional<RecipeStatus> recipe;
  fs::path run;      ///< the folder that is shown
  RunStatus status;  ///< of it
  bool ended = false;
};

class Watch {
 public:
  explicit Watch(const WatchOptions& options)
      : o_(options), logs_(options.logs.begin(), options.logs.end()) {}

  void on_terminal() const {
    TerminalFacts terminal;
    {
      const WatchScreen screen;
      for (bool goes_on = true; goes_on;) {
        const Look now = look();
        terminal = look_at_terminal();
        screen.show(block(now, terminal), terminal.lines, terminal.columns);
        goes_on = !now.ended && screen.wait(o_.interval_s);
      }
    }
    print_result("\n");
  }

  void in_blocks() const {
    const TerminalFacts terminal = look_at_terminal();
    std::string told;
    for (bool first = true;; first = false) {
      const Look now = look();
      const std::string signature = recipe_text(now) + now.run.string() + ' ' + watch_signature(now.status);
      if (first || signature != told) {
        std::string text(first ? 0 : 1, '\n');  // an empty line between blocks
        print_result(text.append(block(now, terminal)));
      }
      told = signature;
      if (o_.once || now.ended) return;
      wait_seconds(o_.interval_s);
    }
  }

 private:
  Look look() const {
    Look now;
    now.recipe = look_at_recipe(o_.folder);
    now.run = o_.folder;
    if (!now.recipe) {
      now.status = look_at_run(now.run, logs_);
      now.ended = has_ended(now.status.liveness);
      return now;
    }
    now.ended = now.recipe->over;
    if (!now.recipe->training) return now;
    now.run = *now.recipe->training;
    now.status = look_at_run(now.run, logs_);
    // A training that stopped or failed ends the recipe. Behind one that is over the next stage comes.
    const bool is_last = now.recipe->stage == now.run.filename().string() && !now.recipe->held;
    now.ended = now.ended || (is_last && now.status.liveness == Liveness::stopped);
    return now;
  }

  std::string recipe_text(const Look& now) const {
    return now.recipe ? watch_recipe_text(o_.folder, *now.recipe) : std::string();
  }

  std::string block(const Look& now, const TerminalFacts& terminal) const {
    SketchStyle style;
    style.width = terminal.columns;
    style.braille = terminal.utf8 && !o_.ascii;
    style.color = terminal.color;
    std::string text = recipe_text(now);
    if (!now.recipe || now.recipe->training) text += watch_text(now.run.string(), now.status);
    const std::size_t taken = lines_of(text) + kAroundField;
    style.height = terminal.lines > taken + kLeastHeight ? std::min(terminal.lines - taken, kMostHeight) : 0;
    if (!terminal.is_terminal) style.height = std::max(style.height, std::size_t{8});
    return text + watch_sketch(now.status, style);
  }

  const WatchOptions& o_;
  std::vector<fs::path> logs_;
};

int watch(int argc, char** argv) {
  WatchOptions options;
  OptionTable table = make_watch_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  check_folder(options);
  for (const std::string& log : options.logs) {
    if (!has_name(log)) throw_data("no such file", log, "--log names a file with the stderr of the run");
  }
  const Watch run(options);
  if (look_at_terminal().is_terminal && !options.once) {
    run.on_terminal();
  } else {
    run.in_blocks();
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  prepare_signals(ProgramKind::filter);
  return run_tool([&] {
    require_one_process("anemll_watch");
    return watch(argc, argv);
  });
}
