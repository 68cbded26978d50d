// What CSV files have that RFC 4180 does not know: Excel's line of the separator, and quotes that are escaped
// by backslashes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace anemll::datasets {

/// Of a first line "sep=;", which Excel reads and does not show. It may be in quotes.
std::optional<char> separator_line(std::string_view line);

/// Whether `text` begins with a row that is good where a backslash escapes what follows it: it has `cells`
/// cells (any number for 0), and a quote in quotes is escaped.
bool is_backslash_row(std::string_view text, char separator, std::size_t cells);

/// A command that writes such a file anew by RFC 4180, whatever its compression.
std::string doubling_command(const std::filesystem::path& path, char separator);

}  // namespace anemll::datasets
