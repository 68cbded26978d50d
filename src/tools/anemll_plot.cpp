// anemll_plot: curves of training runs, sketched in the terminal or drawn as a picture.
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/core/tool.hpp"
#include "src/plots/gnuplot.hpp"
#include "src/plots/run_chart.hpp"
#include "src/plots/sketch.hpp"
#include "src/plots/terminal.hpp"
#include "src/tools/plot_options.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace anemll;

constexpr std::size_t kLeastHeight = 6, kMostHeight = 16;
constexpr std::size_t kAroundField = 5;  // title, axis, legend, a blank line

std::vector<RunRecord> read_runs(const PlotOptions& options) {
  const std::vector<std::string> names = options.all_runs();
  if (names.empty())
    throw_usage("no run is given", "RUN",
                "name output folders of runs: anemll_plot runs/a runs/b --metric loss");
  std::vector<RunRecord> runs;
  for (const std::string& name : names) {
    runs.push_back(read_run(name, options.source));
    const RunRecord& run = runs.back();
    if (run.unread_lines > 0)
      log_warning(strf("%s: %lld lines are no rows of a log and are passed over",
                       printable(run.file.string()).c_str(), static_cast<long long>(run.unread_lines)));
  }
  name_apart(runs);
  return runs;
}

void show_sketch(const Chart& chart, const PlotOptions& options) {
  const TerminalFacts terminal = look_at_terminal();
  SketchStyle style;
  style.width = options.width > 0 ? static_cast<std::size_t>(options.width) : terminal.columns;
  const std::size_t lines = terminal.lines / std::max<std::size_t>(chart.panels.size(), 1);
  const std::size_t fitting = lines > kAroundField ? lines - kAroundField : 0;
  style.height = options.height > 0 ? static_cast<std::size_t>(std::max<std::int64_t>(options.height, 2))
                                    : std::clamp(fitting, kLeastHeight, kMostHeight);
  style.braille = terminal.utf8 && !options.ascii;
  style.color = terminal.color;
  print_result(sketch(chart, style));
}

int plot(int argc, char** argv) {
  PlotOptions options;
  OptionTable table = make_plot_table(options);
  if (table.parse(argc, argv) == OptionTable::Outcome::exit_ok) return 0;
  tell_unread(
      unread_options(plot_effects(), options, [&](const std::string& name) { return table.given(name); }));
  const Smoothing smoothing = parse_smoothing(options.smooth);
  const PictureFormat format =
      options.output ? picture_format(*options.output, options.format) : PictureFormat::automatic;
  const std::vector<RunRecord> runs = read_runs(options);
  if (options.list) {
    print_result(list_metrics(runs));
    return 0;
  }
  Chart chart = chart_of_runs(runs, options.all_metrics(), smoothing);
  chart.log_x = options.log_x;
  chart.log_y = options.log_y;
  if (!options.output) {
    if (!options.no_show) show_sketch(chart, options);
    return 0;
  }
  if (!find_gnuplot()) {  // better than nothing
    if (!options.no_show) show_sketch(chart, options);
    throw_no_gnuplot("--output " + *options.output);
  }
  draw_picture(chart, format, options.grid, *options.output);
  print_result(printable(*options.output) + "\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  prepare_signals(ProgramKind::filter);
  return run_tool([&] {
    require_one_process("anemll_plot");
    return plot(argc, argv);
  });
}
