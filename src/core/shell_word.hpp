// Words of commands that people paste into a shell.
#pragma once

#include <string>
#include <string_view>

namespace anemll {

/// `text` as one word of a POSIX shell: in single quotes, but for one that no shell changes.
std::string shell_word(std::string_view text);

}  // namespace anemll
