#include "src/plots/gnuplot.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "src/core/child.hpp"
#include "src/core/printable.hpp"
#include "src/core/scratch_folder.hpp"
#include "src/plots/axis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

namespace anemll {
namespace fs = std::filesystem;
namespace {

// Distinct on white also for eyes that see red and green alike (Okabe and Ito), the yellow left out.
constexpr std::array<const char*, 7> kColors = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                "#56B4E9", "#E69F00", "#404040"};
constexpr int kPointShapes[] = {7, 5, 9, 13, 11};  // filled ones
constexpr int kFieldWidth = 860;
constexpr int kPanelHeight = 380;
constexpr int kLegendLine = 20;
constexpr std::size_t kLogTicks = 8;
constexpr int kLetterWidth = 8;
constexpr std::size_t kSampleLetters = 10;  // the piece of line in front of a name of the legend
constexpr std::string_view kPngBytes = "\x89PNG";

/// In single quotes nothing is special to gnuplot but the quote.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : printable(text)) {
    out += c;
    if (c == '\'') out += c;
  }
  return out + '\'';
}

const char* color_of(const ChartLine& line) {
  return kColors[line.color % kColors.size()];
}

bool is_shown(const ChartPoint& p, const Chart& chart) {
  return std::isfinite(p.x) && std::isfinite(p.y) && (!chart.log_x || p.x > 0) && (!chart.log_y || p.y > 0);
}

std::string data_block(const std::string& name, const ChartLine& line, const Chart& chart) {
  std::string out = "$" + name + " << END\n";
  for (const ChartPoint& point : line.points) {
    // An empty line breaks the curve.
    out += is_shown(point, chart) ? strf("%.10g %.10g\n", point.x, point.y) : "\n";
  }
  return out + "END\n";
}

std::ptrdiff_t points_of(const ChartLine& line, const Chart& chart) {
  return std::ranges::count_if(line.points, [&](const ChartPoint& p) { return is_shown(p, chart); });
}

/// Range and numbers of a logarithmic axis: gnuplot's own go to the next power of ten and show nothing
/// between.
std::string log_axis(const Chart& chart, const ChartPanel& panel, char axis) {
  constexpr double kMargin = 0.04;  // of the axis
  std::vector<double> values;
  for (const ChartLine& line : panel.lines) {
    for (const ChartPoint& point : line.points) {
      if (is_shown(point, chart)) values.push_back(axis == 'x' ? point.x : point.y);
    }
  }
  if (values.empty()) return "";
  const auto [low, high] = std::ranges::minmax(values);
  const double pad = low < high ? std::pow(high / low, kMargin) : 1.5;
  std::string out = strf("set %crange [%.10g:%.10g]\nset %ctics (", axis, low / pad, high * pad, axis);
  bool first = true;
  for (const Axis::Tick& tick : Axis(low / pad, high * pad, true).ticks(kLogTicks)) {
    out += strf("%s'%s' %.10g", first ? "" : ", ", tick.label.c_str(), tick.value);
    first = false;
  }
  return out + ")\n";
}

bool has_negative(const ChartPanel& panel, const Chart& chart) {
  return std::ranges::any_of(panel.lines, [&](const ChartLine& line) {
    return std::ranges::any_of(
        line.points, [&](const ChartPoint& point) { return is_shown(point, chart) && point.y < 0; });
  });
}

std::string style_of(const ChartLine& line, std::size_t index, bool single, bool svg) {
  if (line.faint) return strf("with lines lw 1 lc rgb '#B0%s' notitle", color_of(line) + 1);
  const std::string title = "title " + quoted(line.label);
  if (line.marked) {
    const int shape = kPointShapes[index % std::size(kPointShapes)];
    return strf("with linespoints lw 1.5 dt 2 pt %d ps %s lc rgb '%s' ", shape, svg ? "0.6" : "1.1",
                color_of(line)) +
           title;
  }
  // A line of one point is nothing.
  return strf(single ? "with points pt 7 lc rgb '%s' " : "with lines lw 2 lc rgb '%s' ", color_of(line)) +
         title;
}

std::string grid_of(const PictureGrid& grid, bool log_y) {
  std::string out;
  if (grid.major > 0 && !log_y) out += strf("set ytics %.10g\n", grid.major);
  if (grid.major > 0 && grid.minor > 0 && !log_y)
    out += strf("set mytics %d\n", std::max(1, static_cast<int>(std::lround(grid.major / grid.minor))));
  if (grid.lines > 0 && !log_y) {
    // The lines of the grid belong to marks: those of a second axis that shows no numbers.
    out += strf(
        "set link y2\nset y2tics %.10g format '' scale 0\nset grid xtics noytics y2tics lt 1 lc rgb "
        "'#D8D8D8'\n",
        grid.lines);
  }
  return out;
}

/// Letters of the longest name of the legends, which stand right of the curves: over them they would hide
/// some.
std::size_t legend_letters(const Chart& chart) {
  std::size_t most = 0;
  for (const ChartPanel& panel : chart.panels) {
    for (const ChartLine& line : panel.lines) most = std::max(most, line.label.size());
  }
  return most + kSampleLetters;
}

int panel_height(const Chart& chart) {
  std::size_t lines = 0;
  for (const ChartPanel& panel : chart.panels) lines = std::max(lines, panel.lines.size());
  return std::max(kPanelHeight, 80 + static_cast<int>(lines) * kLegendLine);
}

std::string end_of_name(const fs::path& file) {
  std::string end = file.extension().string();
  std::ranges::transform(end, end.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return end;
}

/// Whether the file may be replaced: it is a picture, or nothing yet.
bool is_picture(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string start(512, '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(in.gcount()));
  return start.empty() || start.starts_with(kPngBytes) || start.find("<svg") != std::string::npos;
}

}  // namespace

PictureFormat picture_format(const fs::path& file, PictureFormat wanted) {
  if (wanted != PictureFormat::automatic) return wanted;
  const std::string end = end_of_name(file);
  if (end == ".png") return PictureFormat::png;
  if (end == ".svg") return PictureFormat::svg;
  throw_usage("the name does not say what kind of picture it is", "--output " + file.string(),
              "end it in .png or .svg, or add --format png");
}

std::optional<fs::path> find_gnuplot() {
  return find_program("gnuplot");
}

void throw_no_gnuplot(const std::string& where) {
  throw_usage("gnuplot, which draws the pictures, is not in PATH", where,
              "apt-get install gnuplot-nox; without --output the curves are sketched in the terminal");
}

std::string gnuplot_script(const Chart& chart, PictureFormat format, const PictureGrid& grid,
                           const fs::path& picture) {
  const std::size_t letters = legend_letters(chart);
  const int width = kFieldWidth + static_cast<int>(letters) * kLetterWidth;
  const int height = panel_height(chart) * static_cast<int>(chart.panels.size());
  std::string out = "set encoding utf8\n";
  const bool svg = format == PictureFormat::svg;
  out +=
      strf("set terminal %s noenhanced size %d,%d font '%s' background '#FFFFFF'\n", svg ? "svg" : "pngcairo",
           width, height, svg ? "DejaVu Sans,Verdana,sans-serif,13" : "DejaVu Sans,10");
  out += "set output " + quoted(picture.string()) + "\n";
  for (std::size_t p = 0; p < chart.panels.size(); ++p) {
    for (std::size_t i = 0; i < chart.panels[p].lines.size(); ++i)
      out += data_block(strf("p%zu_%zu", p, i), chart.panels[p].lines[i], chart);
  }
  out +=
      "set border 3 lc rgb '#606060'\nset tics nomirror out\nset tmargin 2.5\nset bmargin 3.5\nset lmargin "
      "11\n";
  out += strf("set rmargin %zu\nset key at graph 1.015, graph 1 left top vertical Left reverse\n", letters);
  out += "set grid xtics ytics lt 1 lc rgb '#D8D8D8'\nset xlabel " + quoted(chart.x_label) + "\n";
  out += "set format y '%.6g'\nset format x '%.10g'\n";
  if (chart.log_x) out += "set logscale x\n";
  out += chart.log_y ? "set logscale y\n" : "set offsets 0, 0, graph 0.04, graph 0.04\n";
  out += grid_of(grid, chart.log_y);
  out += strf("set multiplot layout %zu,1\n", chart.panels.size());
  for (std::size_t p = 0; p < chart.panels.size(); ++p) {
    const ChartPanel& panel = chart.panels[p];
    out += "set title " + quoted(chart.title.empty() ? panel.title : chart.title + ": " + panel.title) + "\n";
    if (chart.log_x) out += log_axis(chart, panel, 'x');
    if (chart.log_y) out += log_axis(chart, panel, 'y');
    // The room below the lowest point shows no number that there cannot be, such as a negative rate.
    if (!chart.log_y) out += has_negative(panel, chart) ? "set yrange [*:*]\n" : "set yrange [0<*:*]\n";
    std::string plots;
    for (const bool marked : {false, true}) {
      for (std::size_t i = 0; i < panel.lines.size(); ++i) {
        const ChartLine& line = panel.lines[i];
        const std::ptrdiff_t points = points_of(line, chart);
        if (line.marked != marked || points == 0) continue;
        plots += (plots.empty() ? "plot " : ", ") + strf("$p%zu_%zu using 1:2 ", p, i) +
                 style_of(line, i, points == 1, svg);
      }
    }
    out += plots.empty() ? "set xrange [0:1]\nset yrange [0:1]\nplot NaN notitle\nset autoscale\n"
                         : plots + '\n';
  }
  return out + "unset multiplot\nunset output\n";
}

void draw_picture(const Chart& chart, PictureFormat format, const PictureGrid& grid, const fs::path& file) {
  const auto program = find_gnuplot();
  if (!program) throw_no_gnuplot("--output " + file.string());
  std::error_code none;
  if (has_name(file) && (!fs::is_regular_file(file, none) || !is_picture(file)))
    throw_data("the file is there and is no picture: it is not replaced", file.string(),
               "give --output another name");
  const ScratchFolder scratch;
  const fs::path picture = scratch.path() / (format == PictureFormat::svg ? "chart.svg" : "chart.png");
  const fs::path script = scratch.path() / "chart.gp";
  write_file(script, gnuplot_script(chart, format, grid, picture));
  const ChildEnd end = run_child(*program, {"-d", script.string()});
  std::uintmax_t bytes = fs::file_size(picture, none);
  if (none) bytes = 0;
  if (end.code != 0 || bytes == 0) {
    const std::string said =
        end.output.empty() ? "it says nothing" : "it says: " + printable(end.output, 400);
    throw_data(strf("gnuplot ends with %d; ", end.code) + said, program->string(),
               "apt-get install --reinstall gnuplot-nox, or leave --output out");
  }
  if (!file.parent_path().empty()) fs::create_directories(file.parent_path());
  write_file(file, read_text(picture));
}

}  // namespace anemll
