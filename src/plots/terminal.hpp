// What stdout is: a terminal or not, how large, and what it can show.
#pragma once

#include <cstddef>

namespace anemll {

struct TerminalFacts {
  bool is_terminal = false;  ///< and no dumb one
  std::size_t columns = 80;
  std::size_t lines = 24;
  bool utf8 = false;   ///< by the locale
  bool color = false;  ///< a terminal, and NO_COLOR is not set
};

/// Looks at stdout and at the environment. Makes the locale of the environment that of characters; numbers
/// stay as they are.
TerminalFacts look_at_terminal();

}  // namespace anemll
