// Pictures of charts, drawn by the program gnuplot, which is found in PATH and run as a child.
#pragma once

#include "anemll/core/choices.hpp"
#include "src/plots/chart.hpp"

#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace anemll {

enum class PictureFormat { automatic, png, svg };
inline constexpr auto kPictureFormats = std::to_array<Choice<PictureFormat>>(
    {{PictureFormat::automatic, "auto"}, {PictureFormat::png, "png"}, {PictureFormat::svg, "svg"}});
constexpr std::span<const Choice<PictureFormat>> choices_of(PictureFormat) {
  return kPictureFormats;
}

/// Distances on the vertical axes; 0: what fits.
struct PictureGrid {
  double lines = 0;  ///< of the horizontal lines
  double major = 0;  ///< of the numbers
  double minor = 0;  ///< of the small marks between them
};

/// png or svg: by the end of the name where `wanted` leaves it open. A usage error for another end.
PictureFormat picture_format(const std::filesystem::path& file, PictureFormat wanted);

/// The first program of that name in PATH.
std::optional<std::filesystem::path> find_gnuplot();
/// A usage error with the command that installs gnuplot where it is missing.
[[noreturn]] void throw_no_gnuplot(const std::string& where);

/// The text that gnuplot reads, data included; `picture` is what it writes.
std::string gnuplot_script(const Chart& chart, PictureFormat format, const PictureGrid& grid,
                           const std::filesystem::path& picture);

/// Draws `chart` into `file`, whole or not at all. A picture that is there is replaced, another file is a
/// data error.
void draw_picture(const Chart& chart, PictureFormat format, const PictureGrid& grid,
                  const std::filesystem::path& file);

}  // namespace anemll
