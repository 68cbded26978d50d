// Paths and names in commands that a message tells: what is pasted into a shell means them, whatever they
// hold.
#pragma once

#include <string>
#include <string_view>

namespace anemll {

/// One word of a shell command: as it is where that is one, else between quotes. Control characters and bytes
/// that are not UTF-8 make it $'...' with \xNN, which bash and zsh read.
std::string shell_word(std::string_view text);

/// A text of Python between double quotes, of a name of the file system: bytes that are not UTF-8 are written
/// as Python has them in such names.
std::string python_text(std::string_view text);

}  // namespace anemll
