// A field of characters on which lines are drawn: 2 x 4 dots of braille a cell, or one mark a cell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace anemll {

class Raster {
 public:
  Raster(std::size_t columns, std::size_t rows, bool braille);

  /// From (x, y) to (x, y), each 0 to 1, y upwards. `owner`: whose the dots are; later ones win.
  void line(double x0, double y0, double x1, double y1, std::size_t owner, char mark);
  /// One whole cell.
  void mark(double x, double y, std::size_t owner, char mark);

  /// A row of cells from the top, each cell coloured by its owner where `colors` is set.
  std::string row(std::size_t row, bool colors) const;

 private:
  struct Cell {
    std::uint8_t dots = 0;
    char mark = 0;
    std::size_t owner = 0;
  };
  void dot(std::int64_t x, std::int64_t y, std::size_t owner, char mark);

  std::size_t columns_, rows_;
  bool braille_;
  std::int64_t dots_x_, dots_y_;
  std::vector<Cell> cells_;
};

/// `text` in the colour of a run.
std::string colored(const std::string& text, std::size_t owner);

}  // namespace anemll
