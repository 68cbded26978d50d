// The terminal of anemll_watch: redrawn in its place, keys read without a line end, put back however the
// program ends.
#pragma once

#include <string>

namespace anemll {

class WatchScreen {
 public:
  /// Keys are read where stdin is a terminal. INT, TERM and HUP put the terminal back and end the program:
  /// INT with 0, as somebody who has seen enough.
  WatchScreen();
  ~WatchScreen();
  WatchScreen(const WatchScreen&) = delete;
  WatchScreen& operator=(const WatchScreen&) = delete;

  /// In the place of what was there; what the window has no room for is left out.
  void show(const std::string& text, std::size_t lines, std::size_t columns) const;
  /// False when q was pressed.
  bool wait(double seconds) const;
};

/// The same without a terminal.
void wait_seconds(double seconds);

}  // namespace anemll
