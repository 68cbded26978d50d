// A report as its parts, without a form: what html.hpp and markdown.hpp write down. All texts in it may come
// from files of others; each writer makes them harmless in its own form.
#pragma once

#include "src/plots/chart.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace anemll {

/// Words, or the name of a file or command, which stands in another face.
struct Piece {
  std::string text;
  bool code = false;
};
inline Piece code(std::string text) {
  return {std::move(text), true};
}

struct Paragraph {
  std::vector<Piece> pieces;
};

/// Columns from `first_number` on hold figures.
struct ReportTable {
  static constexpr std::size_t kNoNumbers = std::numeric_limits<std::size_t>::max();
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  std::size_t first_number = 1;
  bool texts = false;       ///< cells are long, and columns as wide as each other
  std::string folded = {};  ///< long ones: what stands in their place until a reader opens them
};

/// Commands, line by line.
struct CodeLines {
  std::vector<std::string> lines;
};

/// One panel of lines.
struct CurvesFigure {
  ChartPanel panel;
  std::string x_label;
  bool log_x = false;
  bool log_y = false;
  bool from_zero = false;  ///< the value axis begins there
  bool tells_last = true;  ///< the legend has the last values
};

/// Single points, each with a name.
struct PointsFigure {
  struct Point {
    std::string label;
    double x = 0, y = 0;
    double low = std::numeric_limits<double>::quiet_NaN();  ///< an interval of y, where it is known
    double high = std::numeric_limits<double>::quiet_NaN();
    bool reference = false;  ///< of others, to compare with
  };
  std::string title, x_label;
  bool log_y = false;
  std::vector<Point> points;
};

/// values[row][column]; NaN where there is none.
struct HeatFigure {
  std::string title, column_label;
  std::vector<std::string> rows, columns;
  std::vector<std::vector<double>> values;
};

using Block = std::variant<Paragraph, ReportTable, CodeLines, CurvesFigure, PointsFigure, HeatFigure>;

struct Section {
  std::string title;
  std::vector<Block> blocks;
};

struct ReportDocument {
  std::string title;
  std::vector<Block> lead;
  std::vector<Section> sections;
};

}  // namespace anemll
