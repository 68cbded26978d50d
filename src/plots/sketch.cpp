#include "src/plots/sketch.hpp"

#include "anemll/core/log.hpp"
#include "src/core/printable.hpp"
#include "src/plots/axis.hpp"
#include "src/plots/internal/raster.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>

namespace anemll {
namespace {

constexpr std::string_view kMarks = "*+xo#@%&";
constexpr char kPointMark = 'o';
constexpr std::size_t kLeastField = 16;
constexpr std::size_t kLinesATick = 2;
constexpr std::size_t kColumnsATick = 14;

struct Signs {
  std::string wall, tick, corner, floor, mark;
};
Signs signs_of(bool braille) {
  if (braille) return {"\u2502", "\u2524", "\u2514", "\u2500", "\u252c"};
  return {"|", "+", "+", "-", "+"};
}

/// Columns of a text: characters of UTF-8, which names have in their own right.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string cut_to(const std::string& text, std::size_t columns) {
  if (columns_of(text) <= columns) return text;
  std::string kept;
  for (std::size_t at = 0, n = 0; at < text.size() && n + 3 < columns; ++n) {
    const std::size_t length = std::max<std::size_t>(utf8_length(std::string_view(text).substr(at)), 1);
    kept += text.substr(at, length);
    at += length;
  }
  return kept + "...";
}

class Panel {
 public:
  Panel(const Chart& chart, const ChartPanel& panel, const SketchStyle& style)
      : panel_(panel),
        style_(style),
        signs_(signs_of(style.braille)),
        x_(axis_of(values(&ChartPoint::x, chart.log_x, chart.log_y), chart.log_x)),
        y_(axis_of(values(&ChartPoint::y, chart.log_x, chart.log_y), chart.log_y)) {
    // Without colours dots do not tell lines apart, and marks do.
    std::size_t plain = 0;
    for (const ChartLine& line : panel.lines) plain += line.marked || line.faint ? 0U : 1U;
    dots_ = style.braille && (style.color || plain < 2);
  }

  std::string text(const std::string& x_label) {
    const std::size_t wanted = std::clamp<std::size_t>(style_.height / kLinesATick, 3, 6);
    std::map<std::size_t, std::string> labels;  // by row from the top
    std::size_t gutter = 0;
    for (const Axis::Tick& tick : y_.ticks(wanted)) {
      const double up = y_.place(tick.value) * static_cast<double>(style_.height - 1);
      labels[style_.height - 1 - static_cast<std::size_t>(std::llround(std::max(up, 0.0)))] = tick.label;
      gutter = std::max(gutter, tick.label.size());
    }
    const std::size_t taken = gutter + 2;
    const std::size_t columns = style_.width > taken + kLeastField ? style_.width - taken : kLeastField;
    Raster raster(columns, style_.height, dots_);
    draw(raster);
    std::string out = cut_to(panel_.title, style_.width) + '\n';
    for (std::size_t row = 0; row < style_.height; ++row) {
      const auto label = labels.find(row);
      const std::string words = label == labels.end() ? "" : label->second;
      out += std::string(gutter - words.size(), ' ') + words + ' ';
      out += (words.empty() ? signs_.wall : signs_.tick) + raster.row(row, style_.color) + '\n';
    }
    return out + floor(gutter, columns, x_label) + legend(gutter);
  }

 private:
  std::vector<double> values(double ChartPoint::*part, bool log_x, bool log_y) const {
    std::vector<double> all;
    for (const ChartLine& line : panel_.lines) {
      if (line.faint) continue;
      for (const ChartPoint& point : line.points) {
        const bool shown = std::isfinite(point.y) && (!log_x || point.x > 0) && (!log_y || point.y > 0);
        if (shown) all.push_back(point.*part);
      }
    }
    return all;
  }

  char mark_of(std::size_t index) const {
    const auto hidden =
        std::count_if(panel_.lines.begin(), panel_.lines.begin() + static_cast<std::ptrdiff_t>(index),
                      [](const ChartLine& line) { return line.faint; });
    return kMarks[(index - static_cast<std::size_t>(hidden)) % kMarks.size()];
  }

  void draw(Raster& raster) const {
    for (const bool marked : {false, true}) {  // marks lie on top
      for (std::size_t i = 0; i < panel_.lines.size(); ++i) {
        const ChartLine& line = panel_.lines[i];
        if (line.faint || line.marked != marked) continue;
        draw(raster, line, i);
      }
    }
  }

  void draw(Raster& raster, const ChartLine& line, std::size_t index) const {
    const char mark = line.marked && dots_ ? kPointMark : mark_of(index);
    const ChartPoint* before = nullptr;
    for (const ChartPoint& point : line.points) {
      if (!x_.shows(point.x) || !y_.shows(point.y)) {
        before = nullptr;
        continue;
      }
      const double x = x_.place(point.x), y = y_.place(point.y);
      if (line.marked) {
        raster.mark(x, y, line.color, mark);
      } else {
        const ChartPoint& from = before != nullptr ? *before : point;
        raster.line(x_.place(from.x), y_.place(from.y), x, y, line.color, mark);
      }
      before = &point;
    }
  }

  std::string floor(std::size_t gutter, std::size_t columns, const std::string& x_label) const {
    std::vector<std::string> line(columns, signs_.floor);
    std::string words(columns, ' ');
    std::size_t free = 0;
    for (const Axis::Tick& tick : x_.ticks(std::max<std::size_t>(columns / kColumnsATick, 1))) {
      const double place = x_.place(tick.value) * static_cast<double>(columns - 1);
      const auto at = static_cast<std::size_t>(std::llround(std::max(place, 0.0)));
      const std::size_t half = tick.label.size() / 2;
      const std::size_t begin =
          std::min(at > half ? at - half : 0, columns - std::min(columns, tick.label.size()));
      if (at >= columns || begin < free || begin + tick.label.size() > columns) continue;
      line[at] = signs_.mark;
      words.replace(begin, tick.label.size(), tick.label);
      free = begin + tick.label.size() + 1;
    }
    if (free + 2 + x_label.size() <= columns) {  // what the axis is, at its end where nothing stands
      words.replace(columns - x_label.size(), x_label.size(), x_label);
    }
    words.erase(words.find_last_not_of(' ') + 1);
    std::string out(gutter + 1, ' ');
    out += signs_.corner;
    for (const std::string& sign : line) out += sign;
    return out + '\n' + std::string(gutter + 2, ' ') + words + '\n';
  }

  std::string legend(std::size_t gutter) const {
    std::string out;
    for (std::size_t i = 0; i < panel_.lines.size(); ++i) {
      const ChartLine& line = panel_.lines[i];
      if (line.faint) continue;
      const auto last = std::ranges::find_if(line.points.rbegin(), line.points.rend(),
                                             [](const ChartPoint& p) { return std::isfinite(p.y); });
      std::string sign = line.marked && dots_ ? std::string(1, kPointMark)
                         : dots_              ? std::string("\u2812\u2812")
                                              : std::string(1, mark_of(i));
      if (style_.color) sign = colored(sign, line.color);
      const std::string figure =
          last == line.points.rend() ? ", no finite value" : strf(", last %.5g at %.10g", last->y, last->x);
      const std::size_t room =
          style_.width > gutter + 6 + figure.size() ? style_.width - gutter - 6 - figure.size() : 8;
      out += std::string(gutter + 2, ' ') + sign + ' ' + cut_to(line.label, room) + figure + '\n';
    }
    return out;
  }

  const ChartPanel& panel_;
  const SketchStyle& style_;
  Signs signs_;
  Axis x_, y_;
  bool dots_ = false;
};

}  // namespace

std::string sketch(const Chart& chart, const SketchStyle& style) {
  std::string out;
  if (!chart.title.empty()) out += cut_to(chart.title, style.width) + '\n';
  for (const ChartPanel& panel : chart.panels) {
    if (!out.empty()) out += '\n';
    out += Panel(chart, panel, style).text(chart.x_label);
  }
  return out;
}

}  // namespace anemll
