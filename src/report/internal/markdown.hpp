// A document as Markdown. Figures are left out: their numbers stand in tables too.
#pragma once

#include "src/report/internal/document.hpp"

#include <string>
#include <string_view>

namespace anemll {

/// The first line, which tells our files from those of others.
inline constexpr std::string_view kMarkdownMark = "<!-- anemll_report -->";

std::string markdown_text(const ReportDocument& document);

}  // namespace anemll
