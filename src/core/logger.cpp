// Sinks, and writing to stderr: one lock, one write per line, the bar taken away and put back around lines.
#include "src/core/internal/logger.hpp"

#include "src/core/life_signs.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace anemll {
namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

LogLevel least_level() {
  const char* text = std::getenv("ANEMLL_LOG_LEVEL");
  if (text == nullptr) return LogLevel::info;
  for (int i = 0; i < 4; ++i) {
    if (kLevelNames[i] == text) return static_cast<LogLevel>(i);
  }
  return LogLevel::info;
}

/// Nobody reads a number that a library got because stderr was closed.
bool is_pipe_to_a_reader() {
  struct stat status {};
  return ::fstat(STDERR_FILENO, &status) == 0 && S_ISFIFO(status.st_mode) &&
         (::fcntl(STDERR_FILENO, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

/// Waits until stderr takes more; false when a stop was asked for meanwhile.
bool has_room() {
  constexpr int kLookMilliseconds = 100;  // another thread may get the signal
  pollfd writing{STDERR_FILENO, POLLOUT, 0};
  while (true) {
    const int ready = ::poll(&writing, 1, kLookMilliseconds);
    if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
    give_life_sign();  // somebody has stopped the terminal: that is no standstill of ours
    if (pending_signal() != 0) return false;
  }
}

}  // namespace

Logger::Logger() : start_(std::chrono::steady_clock::now()), least_(least_level()) {}

/// Never destroyed: the thread that acknowledges signals may write until the process is gone.
Logger& Logger::instance() {
  static Logger& logger = *new Logger;
  return logger;
}

void give_life_sign() {
  Logger::instance().signs_of_life().fetch_add(1, std::memory_order_relaxed);
}
std::uint64_t life_signs() {
  return Logger::instance().signs_of_life().load(std::memory_order_relaxed);
}

double Logger::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Logger::set_sink(LogSink sink) {
  const std::lock_guard lock(mutex_);
  output_ = sink ? Output::sink : Output::none;
  sink_ = std::move(sink);
  bar_.clear();
}

void Logger::use_stderr() {
  const std::lock_guard lock(mutex_);
  output_ = Output::standard_error;
  sink_ = nullptr;
}

void Logger::set_rank(int rank, int size) {
  const std::lock_guard lock(mutex_);
  rank_ = rank;
  size_ = size;
}

int Logger::rank() {
  const std::lock_guard lock(mutex_);
  return rank_;
}

bool Logger::shows_progress() {
  const std::lock_guard lock(mutex_);
  return output_ != Output::none && rank_ == 0 && least_ <= LogLevel::info;
}

bool Logger::draws_bars() {
  const std::lock_guard lock(mutex_);
  const char* term = std::getenv("TERM");
  return output_ == Output::standard_error && ::isatty(STDERR_FILENO) != 0 &&
         (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::size_t Logger::terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string Logger::prefix(LogLevel level) const {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::string text = rank_ == 0 ? "" : "[rank " + std::to_string(rank_) + "] ";
  text += strf("[%02d:%02d:%02d +%.1fs] ", local.tm_hour, local.tm_min, local.tm_sec, seconds());
  if (level == LogLevel::info) return text;
  return text + std::string(kLevelNames[static_cast<int>(level)]) + ": ";
}

/// Best effort: a reader that left (EPIPE) or a terminal that is gone (EIO) must not end a training run, and
/// one that does not read (Ctrl-S) must not keep a run from saving once it was asked to stop.
void Logger::put(const std::string& text) {
  // As much as a write takes without waiting, once poll() says that there is room.
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const bool waits = terminal || is_pipe_to_a_reader();
  const std::size_t most = terminal ? 1 : PIPE_BUF;
  std::string_view rest = text;
  while (!rest.empty()) {
    if (waits && !has_room()) return;
    const ssize_t n = ::write(STDERR_FILENO, rest.data(), std::min(rest.size(), most));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Logger::line(LogLevel level, std::string_view text) {
  give_life_sign();
  const std::lock_guard lock(mutex_);
  if (output_ == Output::none || level < least_ || (rank_ != 0 && level < LogLevel::warning)) return;
  if (output_ == Output::sink) return sink_(level, text);
  std::string out = bar_.empty() ? "" : std::string(kClearLine);
  out += prefix(level);
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "    ";  // the rest of a long message stays under its first line
  }
  put(out + '\n' + bar_);
}

void Logger::plain(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (output_ == Output::none) return;
  if (output_ == Output::sink) return sink_(LogLevel::error, text);
  const bool drawn = !std::exchange(bar_, {}).empty();
  const std::string who = size_ > 1 ? strf("[rank %d on %s] ", rank_, host_name().c_str()) : "";
  put((drawn ? std::string(kClearLine) : "") + who + std::string(text) + '\n');
}

void Logger::bar(std::string_view text) {
  const std::lock_guard lock(mutex_);
  bar_ = text;
  put(std::string(kClearLine) + bar_);
}

void Logger::end_bar(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (output_ == Output::none) return;
  if (output_ == Output::sink) return sink_(LogLevel::info, text);
  const bool drawn = !std::exchange(bar_, {}).empty();
  put((drawn ? std::string(kClearLine) : "") + prefix(LogLevel::info) + std::string(text) + '\n');
}

}  // namespace anemll
