// A document as one HTML page that needs nothing else: no script, no font, no picture from outside. It is
// well-formed XML at the same time, so any XML reader can check it.
#pragma once

#include "src/report/internal/document.hpp"

#include <string>
#include <string_view>

namespace anemll {

/// Fit for the text of an element and for an attribute in double quotes. What XML cannot hold (control
/// characters, bytes that are not UTF-8) is spelled as \xNN.
std::string escaped(std::string_view text);

/// The line that tells our pages from those of others.
inline constexpr std::string_view kHtmlMark = "<meta name=\"generator\" content=\"anemll_report\"/>";

std::string html_page(const ReportDocument& document);

}  // namespace anemll
