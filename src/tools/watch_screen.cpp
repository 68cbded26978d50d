#include "src/tools/watch_screen.hpp"

#include "src/core/printable.hpp"
#include "src/core/tool.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string_view>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr std::string_view kBegin = "\x1b[?25l\x1b[2J";  // no cursor, an empty window
constexpr std::string_view kEnd = "\x1b[?25h";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kRestOfLine = "\x1b[K";
constexpr std::string_view kRestOfWindow = "\x1b[J";

// What a signal handler needs to put back; written before the handlers are there.
struct Before {
  termios keys;
  bool has_keys;
};
Before before;

void put_back() {
  if (before.has_keys) ::tcsetattr(STDIN_FILENO, TCSANOW, &before.keys);
  [[maybe_unused]] const ssize_t n = ::write(STDOUT_FILENO, kEnd.data(), kEnd.size());
}

extern "C" void end_by_signal(int number) {
  put_back();
  if (number == SIGINT) ::_exit(0);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

/// A line that a terminal breaks takes two. Those of a sketch, which alone has colours, are narrow enough.
std::string_view fitting(std::string_view line, std::size_t columns) {
  if (line.find('\x1b') != std::string_view::npos) return line;
  std::size_t at = 0;
  for (std::size_t n = 0; at < line.size() && n < columns; ++n)
    at += std::max<std::size_t>(utf8_length(line.substr(at)), 1);
  return line.substr(0, at);
}

/// Milliseconds till then, for poll.
int left_until(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
}

std::chrono::steady_clock::time_point after(double seconds) {
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                std::chrono::duration<double>(seconds));
}

}  // namespace

WatchScreen::WatchScreen() {
  before.has_keys = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before.keys) == 0;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::signal(number, end_by_signal);
  if (before.has_keys) {
    termios keys = before.keys;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C stays a signal
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  print_result(std::string(kBegin));
}

WatchScreen::~WatchScreen() {
  put_back();
}

void WatchScreen::show(const std::string& text, std::size_t lines, std::size_t columns) const {
  std::string out(kHome);
  std::size_t shown = 0;
  for (std::size_t begin = 0; begin < text.size() && shown + 1 < lines; ++shown) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out.append(fitting(std::string_view(text).substr(begin, end - begin), columns));
    out.append(kRestOfLine).append("\r\n");
    begin = end + 1;
  }
  print_result(out.append(kRestOfWindow));
}

bool WatchScreen::wait(double seconds) const {
  const auto end = after(seconds);
  bool keys = before.has_keys;
  for (int left = left_until(end); left > 0; left = left_until(end)) {
    pollfd reading{STDIN_FILENO, POLLIN, 0};
    if (::poll(&reading, keys ? 1 : 0, left) <= 0 || reading.revents == 0) continue;
    char key = 0;
    const ssize_t n = ::read(STDIN_FILENO, &key, 1);
    if (n == 1 && (key == 'q' || key == 'Q')) return false;
    if (n == 1 && (key == ' ' || key == '\n')) return true;  // look now
    if (n == 0 || (n < 0 && errno != EINTR)) keys = false;   // the terminal is gone
  }
  return true;
}

void wait_seconds(double seconds) {
  const auto end = after(seconds);
  for (int left = left_until(end); left > 0; left = left_until(end)) ::poll(nullptr, 0, left);
}

}  // namespace anemll
