// The options of anemll_plot.
#pragma once

#include "anemll/core/options.hpp"
#include "src/core/option_effects.hpp"
#include "src/plots/gnuplot.hpp"
#include "src/runs/run_record.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct PlotOptions {
  std::vector<std::string> runs;
  std::optional<std::string> run_dir;
  LogSource source = LogSource::automatic;
  std::vector<std::string> metrics;
  std::string smooth = "0";
  bool log_x = false;
  bool log_y = false;
  std::optional<std::string> output;
  PictureFormat format = PictureFormat::automatic;
  bool list = false;
  bool no_show = false;
  bool ascii = false;
  std::int64_t width = 0;
  std::int64_t height = 0;
  PictureGrid grid;

  /// RUN... and --run_dir.
  std::vector<std::string> all_runs() const;
  /// The words of --metric, which commas and further flags separate; `loss` without any.
  std::vector<std::string> all_metrics() const;
};

OptionTable make_plot_table(PlotOptions& options);
/// Options that only some runs of the program read.
std::vector<OptionEffect<PlotOptions>> plot_effects();

}  // namespace anemll
