#include "src/report/internal/svg.hpp"

#include "anemll/core/log.hpp"
#include "src/plots/axis.hpp"
#include "src/report/internal/html.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace anemll {
namespace {

constexpr double kWidth = 640, kHeight = 300;
constexpr double kWholeWidth = 1100;  // of a figure that stands alone, so that all have letters of one size
constexpr double kLeft = 64, kRight = 20, kTop = 10, kBottom = 44;
constexpr double kLabelWidth = 130, kLabelHeight = 14;  // of the name of a point
constexpr std::size_t kMostPoints = 900;  // of a line: more than the columns that it is drawn on
constexpr double kRoom = 0.04;            // between the values and the ends of the axis, part of the field

std::string svg_open(double width, double height, const std::string& title) {
  return strf("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width, height) + escaped(title) +
         "\">\n";
}

std::string text_at(double x, double y, const std::string& text, const char* anchor, bool ink = false) {
  return strf("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor,
              ink ? " class=\"ink\"" : "") +
         escaped(text) + "</text>\n";
}

/// What it covers, with room on both sides; `from_zero` there is none below.
Axis axis_with_room(const std::vector<double>& values, bool logarithmic, bool from_zero) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (!std::isfinite(value) || (logarithmic && !(value > 0))) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) return axis_of({}, logarithmic);
  if (from_zero) return {0, high > 0 ? high * (1 + kRoom) : 1, false};
  if (low == high) return axis_of({low}, logarithmic);
  if (logarithmic) {
    const double room = std::pow(high / low, kRoom);
    return {low / room, high * room, true};
  }
  const double room = (high - low) * kRoom;
  return {low >= 0 && low < room ? 0 : low - room, high + room, false};
}

/// The field of a chart: axes with marks and lines across, and where a value lies.
class Field {
 public:
  Field(Axis x, Axis y, double width) : x_(x), y_(y), width_(width) {}

  double x(double value) const { return kLeft + x_.place(value) * (width_ - kLeft - kRight); }
  double y(double value) const { return kHeight - kBottom - y_.place(value) * (kHeight - kTop - kBottom); }
  bool shows(double at_x, double at_y) const { return x_.shows(at_x) && y_.shows(at_y); }

  std::string frame(const std::string& x_label) const {
    std::string out;
    const double right = width_ - kRight, bottom = kHeight - kBottom;
    for (const Axis::Tick& tick : y_.ticks(6)) {
      const double at = y(tick.value);
      if (at < kTop - 1 || at > bottom + 1) continue;
      out += strf("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", kLeft, right,
                  at, at);
      out += text_at(kLeft - 8, at + 4.5, tick.label, "end");
    }
    for (const Axis::Tick& tick : x_.ticks(7)) {
      const double at = x(tick.value);
      if (at < kLeft - 1 || at > right + 1) continue;
      out += strf("<line class=\"frame\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", at, at, bottom,
                  bottom + 5);
      out += text_at(at, bottom + 19, tick.label, "middle");
    }
    out += strf("<line class=\"frame\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", kLeft, right,
                bottom, bottom);
    return out + text_at((kLeft + right) / 2, kHeight - 6, x_label, "middle");
  }

 private:
  Axis x_, y_;
  double width_;
};

std::string legend_entry(std::size_t colour, const std::string& label, const std::string& words) {
  return strf("<li><i class=\"b%zu\"></i><b>", colour % kColours) + escaped(label) + "</b> " +
         escaped(words) + "</li>\n";
}

std::string closing(const std::string& legend) {
  return "</svg>\n" + (legend.empty() ? "" : "<ul class=\"legend\">\n" + legend + "</ul>\n") + "</figure>\n";
}

std::string figure_open(const std::string& title, bool whole = false) {
  return std::string("<figure") + (whole ? " class=\"whole\"" : "") + "><figcaption>" + escaped(title) +
         "</figcaption>\n";
}

std::string line_svg(const Field& field, const ChartLine& line) {
  std::string out, path, marks, mark;
  std::size_t in_path = 0;
  const auto end_path = [&] {
    // A line of one point is nothing: such a point is always marked.
    if (in_path == 1 && !line.marked) marks += mark;
    if (in_path > 0)
      out += strf("<polyline class=\"line%s s%zu\" points=\"", line.faint ? " faint" : "",
                  line.color % kColours) +
             path + "\"/>\n";
    path.clear();
    in_path = 0;
  };
  for (const ChartPoint& point : thinned(line.points, kMostPoints)) {
    if (!field.shows(point.x, point.y)) {
      end_path();
      continue;
    }
    path += strf("%s%.1f,%.1f", in_path++ == 0 ? "" : " ", field.x(point.x), field.y(point.y));
    mark = strf(
        "<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>%.6g at %.10g</title></circle>\n",
        line.color % kColours, field.x(point.x), field.y(point.y), point.y, point.x);
    if (line.marked) marks += mark;
  }
  end_path();
  return out + marks;
}

}  // namespace

std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t most) {
  constexpr std::size_t kOfStretch = 5;
  if (points.size() <= most || most < kOfStretch) return points;
  const std::size_t stretches = most / kOfStretch;
  std::vector<ChartPoint> out;
  for (std::size_t s = 0; s < stretches; ++s) {
    const std::size_t begin = s * points.size() / stretches, end = (s + 1) * points.size() / stretches;
    std::size_t low = begin, high = begin, broken = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(points[i].y)) {
        broken = i;  // a line is not to be drawn across it
        continue;
      }
      if (!(points[i].y >= points[low].y)) low = i;
      if (!(points[i].y <= points[high].y)) high = i;
    }
    std::vector<std::size_t> kept = {begin, low, high, broken, end - 1};
    std::ranges::sort(kept);
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
    for (const std::size_t i : kept) out.push_back(points[i]);
  }
  return out;
}

std::string figure_html(const CurvesFigure& figure) {
  std::vector<double> xs, ys;
  for (const ChartLine& line : figure.panel.lines) {
    for (const ChartPoint& point : line.points) {
      if (!std::isfinite(point.y)) continue;
      xs.push_back(point.x);
      ys.push_back(point.y);
    }
  }
  const Field field(axis_of(xs, figure.log_x), axis_with_room(ys, figure.log_y, figure.from_zero), kWidth);
  std::string out = figure_open(figure.panel.title) + svg_open(kWidth, kHeight, figure.panel.title);
  out += field.frame(figure.x_label);
  std::string legend;
  for (const ChartLine& line : figure.panel.lines) {
    out += line_svg(field, line);
    if (line.label.empty() || line.points.empty()) continue;
    const ChartPoint& last = line.points.back();
    legend +=
        legend_entry(line.color, line.label, figure.tells_last ? strf("%.5g at %.10g", last.y, last.x) : "");
  }
  return out + closing(legend);
}

std::string figure_html(const PointsFigure& figure) {
  std::vector<double> xs, ys;
  for (const PointsFigure::Point& point : figure.points) {
    xs.push_back(point.x);
    for (const double y : {point.y, point.low, point.high}) ys.push_back(y);
  }
  const Field field(axis_with_room(xs, false, false), axis_with_room(ys, figure.log_y, false), kWholeWidth);
  std::string out = figure_open(figure.title, true) + svg_open(kWholeWidth, kHeight, figure.title);
  out += field.frame(figure.x_label);
  std::string legend;
  std::size_t colour = 0;
  for (const PointsFigure::Point& point : figure.points) {
    if (!field.shows(point.x, point.y)) continue;
    const double x = field.x(point.x), y = field.y(point.y);
    const std::string title =
        "<title>" + escaped(point.label) + strf(": %.4g at %.4g</title>", point.y, point.x);
    if (point.reference) {
      out += strf("<rect class=\"f6\" x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\">", x - 3.5, y - 3.5) +
             title + "</rect>\n";
      const bool left =
          x > kWholeWidth * 0.9 || std::ranges::any_of(figure.points, [&](const auto& other) {
            const double across = field.x(other.x) - x;
            return across > 0 && across < kLabelWidth && std::abs(field.y(other.y) - y) < kLabelHeight;
          });
      out += text_at(left ? x - 8 : x + 8, y + 4.5, point.label, left ? "end" : "start");
      continue;
    }
    const std::size_t own = colour++ % (kColours - 2);  // the last two are those of what is compared with
    if (std::isfinite(point.low) && std::isfinite(point.high) && field.shows(point.x, point.low))
      out +=
          strf("<line class=\"s%zu\" stroke-width=\"2\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
               own, x, x, field.y(point.low), field.y(point.high));
    out += strf("<circle class=\"f%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\">", own, x, y) + title + "</circle>\n";
    legend += legend_entry(own, point.label, strf("%.4g at %.4g", point.y, point.x));
  }
  return out + closing(legend);
}

std::string figure_html(const HeatFigure& figure) {
  constexpr double kCellHeight = 24, kNames = 110, kScale = 56;
  const auto columns = static_cast<double>(std::max<std::size_t>(figure.columns.size(), 1));
  const double width = kWholeWidth, cell = std::min(60.0, (width - kNames - 10) / columns);
  const double height = kCellHeight * static_cast<double>(figure.rows.size()) + kScale;
  double highest = 0;
  for (const auto& row : figure.values) {
    for (const double value : row) {
      if (std::isfinite(value)) highest = std::max(highest, value);
    }
  }
  std::string out = figure_open(figure.title, true) + svg_open(width, height, figure.title);
  for (std::size_t r = 0; r < figure.rows.size(); ++r) {
    const double y = kCellHeight * static_cast<double>(r);
    out += text_at(kNames - 8, y + kCellHeight / 2 + 4.5, figure.rows[r], "end", true);
    for (std::size_t c = 0; c < figure.columns.size() && c < figure.values[r].size(); ++c) {
      const double value = figure.values[r][c];
      const bool known = std::isfinite(value);
      out += strf(
          "<rect class=\"cell%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
          "fill-opacity=\"%.3f\"><title>",
          known ? "" : " none", kNames + cell * static_cast<double>(c), y, cell - 1, kCellHeight - 1,
          known && highest > 0 ? 0.06 + 0.94 * value / highest : 1.0);
      out += escaped(figure.rows[r]) + ", " + escaped(figure.column_label) + " " +
             escaped(figure.columns[c]) + (known ? strf(": %.4g", value) : ": not known") +
             "</title></rect>\n";
    }
  }
  const double below = kCellHeight * static_cast<double>(figure.rows.size()) + 17;
  const auto every = static_cast<std::size_t>(std::max(1.0, std::ceil(34 / cell)));
  for (std::size_t c = 0; c < figure.columns.size(); c += every)
    out += text_at(kNames + cell * (static_cast<double>(c) + 0.5), below, figure.columns[c], "middle");
  out += text_at(kNames - 8, below, figure.column_label, "end");
  for (int i = 0; i < 10; ++i)
    out += strf(
        "<rect class=\"cell\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"12\" fill-opacity=\"%.3f\"/>\n",
        kNames + 30 + 16 * i, below + 14, 0.06 + 0.94 * i / 9);
  out += text_at(kNames + 24, below + 25, "0", "end") +
         text_at(kNames + 198, below + 25, strf("%.3g", highest), "start");
  return out + closing("");
}

}  // namespace anemll
