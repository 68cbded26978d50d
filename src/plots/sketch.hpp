// A chart in characters, for a terminal: dots of braille, or plain ASCII.
#pragma once

#include "src/plots/chart.hpp"

#include <cstddef>
#include <string>

namespace anemll {

struct SketchStyle {
  std::size_t width = 80;   ///< columns of everything
  std::size_t height = 10;  ///< lines of the field of a panel
  bool braille = false;     ///< needs UTF-8; without it each line has a letter for its mark
  bool color = false;       ///< lines of runs by colour
};

/// Panel by panel: its title, its field with both axes, its legend with last values. Every line of the text
/// is at most `width` columns wide, as long as that is 40 at least.
std::string sketch(const Chart& chart, const SketchStyle& style);

}  // namespace anemll
