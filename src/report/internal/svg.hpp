// Figures of a document as SVG elements inside of a page. Colours are classes of the page's style, so that a
// dark page has light lines.
#pragma once

#include "src/report/internal/document.hpp"

#include <cstddef>
#include <string>

namespace anemll {

/// Colours that the style has: classes c0 to c7.
inline constexpr std::size_t kColours = 8;

/// Each with its title above it and its legend below.
std::string figure_html(const CurvesFigure& figure);
std::string figure_html(const PointsFigure& figure);
std::string figure_html(const HeatFigure& figure);

/// At most about `most` points that look the same: of each stretch the first, the lowest, the highest, the
/// last, and one that is no number.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, std::size_t most);

}  // namespace anemll
