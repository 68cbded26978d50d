#include "src/tools/plot_options.hpp"

#include <algorithm>
#include <cstddef>

namespace anemll {

OptionTable make_plot_table(PlotOptions& o) {
  OptionTable table("anemll_plot", "Curves of training runs: sketched in the terminal, or as a picture.");
  table.group("What");
  table.add_positional("RUN", &o.runs, "output folders of runs, or logs: metrics.jsonl, training_log.csv",
                       false);
  table.add("run_dir", &o.run_dir, "one more RUN: the flag of the Python script");
  table.add_choice(
      "source", &o.source,
      "which log of a folder: metrics.jsonl (jsonl), training_log.csv or loss.csv (csv), train.log "
      "(trainlog), trainer_state.json (trainer); auto: the first of these that there is");
  table.add(
      "metric", &o.metrics,
      "what to draw, a panel each: A,B or several flags. train/loss, or loss for every kind of row that "
      "has one, or with * for any text (default: loss)");
  table.add_flag("list", &o.list, "print the metrics of the runs, and draw nothing");
  table.group("How");
  table.add("smooth", &o.smooth,
            "smooth the curves of training steps: 20 is a mean over 20 points, 0.9 an exponential mean");
  table.add_flag("log-x", &o.log_x, "logarithmic steps; step 0 is left out");
  table.add_flag("log-y", &o.log_y, "logarithmic values");
  table.group("Picture");
  table.add("output", &o.output, "a picture FILE.png or FILE.svg, drawn by gnuplot, in place of the sketch");
  table.add_alias("output", "save");
  table.add_choice("format", &o.format, "of --output; auto: by the end of its name");
  table.add("ygrid_step", &o.grid.lines, "distance of the horizontal lines of the grid; 0: at the numbers", 0,
            1e12);
  table.add("y_major_step", &o.grid.major, "distance of the numbers on the vertical axis; 0: fitting", 0,
            1e12);
  table.add("y_minor_step", &o.grid.minor, "distance of the small marks between them; 0: none", 0, 1e12);
  table.group("Sketch");
  table.add_flag("no_show", &o.no_show, "no sketch in the terminal");
  table.add_flag("ascii", &o.ascii, "plain ASCII, which is taken anyway where the locale is not UTF-8");
  table.add("width", &o.width, "columns; 0: those of the terminal", 0, 1000);
  table.add("height", &o.height, "lines of a panel; 0: what fits", 0, 1000);
  for (const char* name : {"RUN", "run_dir", "output"}) table.mark_path(name);
  return table;
}

std::vector<std::string> PlotOptions::all_runs() const {
  std::vector<std::string> all = runs;
  if (run_dir) all.push_back(*run_dir);
  return all;
}

std::vector<std::string> PlotOptions::all_metrics() const {
  std::vector<std::string> all;
  for (const std::string& words : metrics) {
    for (std::size_t begin = 0; begin <= words.size();) {
      const std::size_t end = std::min(words.find(',', begin), words.size());
      if (end > begin) all.push_back(words.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  if (all.empty()) all.emplace_back("loss");
  return all;
}

std::vector<OptionEffect<PlotOptions>> plot_effects() {
  const char* picture = "without --output: it is about the picture";
  const char* sketch = "with --output or --no_show: it is about the sketch";
  const char* drawn = "with --list, which draws nothing";
  const auto no_picture = [](const PlotOptions& o) { return !o.output || o.list; };
  const auto no_sketch = [](const PlotOptions& o) { return o.output || o.no_show || o.list; };
  const auto lists = [](const PlotOptions& o) { return o.list; };
  return {{"format", picture, no_picture},
          {"ygrid_step", picture, no_picture},
          {"y_major_step", picture, no_picture},
          {"y_minor_step", picture, no_picture},
          {"ascii", sketch, no_sketch},
          {"width", sketch, no_sketch},
          {"height", sketch, no_sketch},
          {"metric", drawn, lists},
          {"smooth", drawn, lists},
          {"log-x", drawn, lists},
          {"log-y", drawn, lists},
          {"output", drawn, lists}};
}

}  // namespace anemll
