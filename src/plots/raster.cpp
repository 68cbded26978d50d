#include "src/plots/internal/raster.hpp"

#include "anemll/core/log.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace anemll {
namespace {

// Of the 256 colours of terminals, readable on black and on white.
constexpr std::array<int, 8> kColors = {33, 208, 34, 161, 99, 130, 37, 245};

/// Bit of the braille pattern at U+2800 for a dot of a cell.
constexpr std::uint8_t kDots[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

std::string braille_cell(std::uint8_t dots) {
  const unsigned code = 0x2800U + dots;  // three bytes of UTF-8
  return {static_cast<char>(0xE0U | (code >> 12U)), static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)),
          static_cast<char>(0x80U | (code & 0x3FU))};
}

std::int64_t nearest(double place, std::int64_t count) {
  return std::clamp<std::int64_t>(std::llround(place * static_cast<double>(count - 1)), 0, count - 1);
}

}  // namespace

std::string colored(const std::string& text, std::size_t owner) {
  return strf("\x1b[38;5;%dm%s\x1b[0m", kColors[owner % kColors.size()], text.c_str());
}

Raster::Raster(std::size_t columns, std::size_t rows, bool braille)
    : columns_(columns),
      rows_(rows),
      braille_(braille),
      dots_x_(static_cast<std::int64_t>(columns) * (braille ? 2 : 1)),
      dots_y_(static_cast<std::int64_t>(rows) * (braille ? 4 : 1)),
      cells_(columns * rows) {}

void Raster::dot(std::int64_t x, std::int64_t y, std::size_t owner, char mark) {
  const std::int64_t down = dots_y_ - 1 - y;
  const auto column = static_cast<std::size_t>(x / (braille_ ? 2 : 1));
  const auto row = static_cast<std::size_t>(down / (braille_ ? 4 : 1));
  Cell& cell = cells_[row * columns_ + column];
  cell.owner = owner;
  if (braille_) {
    cell.dots = static_cast<std::uint8_t>(cell.dots | kDots[down % 4][x % 2]);
  } else {
    cell.mark = mark;
  }
}

void Raster::line(double x0, double y0, double x1, double y1, std::size_t owner, char mark) {
  const std::int64_t ax = nearest(x0, dots_x_), ay = nearest(y0, dots_y_);
  const std::int64_t bx = nearest(x1, dots_x_), by = nearest(y1, dots_y_);
  const std::int64_t steps = std::max<std::int64_t>({std::abs(bx - ax), std::abs(by - ay), 1});
  for (std::int64_t i = 0; i <= steps; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(steps);
    dot(ax + std::llround(part * static_cast<double>(bx - ax)),
        ay + std::llround(part * static_cast<double>(by - ay)), owner, mark);
  }
}

void Raster::mark(double x, double y, std::size_t owner, char mark) {
  const auto column = static_cast<std::size_t>(nearest(x, static_cast<std::int64_t>(columns_)));
  const auto up = static_cast<std::size_t>(nearest(y, static_cast<std::int64_t>(rows_)));
  Cell& cell = cells_[(rows_ - 1 - up) * columns_ + column];
  cell.owner = owner;
  cell.mark = mark;
}

std::string Raster::row(std::size_t row, bool colors) const {
  std::string text;
  std::string waiting;  // blanks in front of the next mark: none at the end of the line
  std::string run;      // neighbours of one colour
  std::size_t owner = 0;
  const auto end_run = [&] {
    if (!run.empty()) text += colors ? colored(run, owner) : run;
    run.clear();
  };
  for (std::size_t column = 0; column < columns_; ++column) {
    const Cell& cell = cells_[row * columns_ + column];
    if (cell.mark == 0 && cell.dots == 0) {
      waiting += ' ';
      continue;
    }
    if (!waiting.empty() || owner != cell.owner) end_run();
    text += waiting;
    waiting.clear();
    owner = cell.owner;
    run += cell.mark != 0 ? std::string(1, cell.mark) : braille_cell(cell.dots);
  }
  end_run();
  return text;
}

}  // namespace anemll
