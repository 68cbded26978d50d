// Texts of others made fit for a terminal and a message: names out of files, words of servers.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

namespace anemll {

/// Bytes of the character that begins `text`, which is not empty; 0 when it is not UTF-8.
std::size_t utf8_length(std::string_view text);

/// Control characters and bytes that are not UTF-8 as \xNN; everything else as it is. What is behind `most`
/// bytes is left out, by whole characters.
std::string printable(std::string_view text, std::size_t most = std::numeric_limits<std::size_t>::max());

/// The printable text between single quotes. What is behind `most` bytes is replaced by "...".
std::string in_quotes(std::string_view text, std::size_t most = 60);

}  // namespace anemll
