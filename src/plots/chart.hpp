// A chart: panels above each other with one horizontal axis, lines in each. What draws one is sketch.hpp (a
// terminal) and gnuplot.hpp (a picture).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace anemll {

struct ChartPoint {
  double x = 0;
  double y = 0;  ///< a value that is not finite breaks the line
};

struct ChartLine {
  std::string label;
  std::vector<ChartPoint> points;
  std::size_t color = 0;  ///< lines of one run have one
  bool marked = false;    ///< few points, each with a mark: evaluations
  bool faint = false;     ///< behind the others and in no legend: what a smoothed line was made of
};

struct ChartPanel {
  std::string title;  ///< with the unit
  std::vector<ChartLine> lines;
};

struct Chart {
  std::string title;
  std::string x_label;
  bool log_x = false;
  bool log_y = false;
  std::vector<ChartPanel> panels;
};

}  // namespace anemll
