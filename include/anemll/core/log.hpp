// Human-readable lines on stderr, from rank 0 only unless they are errors; a live bar on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemll {

enum class LogLevel { debug, info, warning, error };

/// Call once in main(); other ranks than 0 print warnings and errors only, with a "[rank N]" prefix.
void set_log_rank(int rank, int size);
void log(LogLevel level, std::string_view text);
inline void log_info(std::string_view text) {
  log(LogLevel::info, text);
}
inline void log_warning(std::string_view text) {
  log(LogLevel::warning, text);
}

/// Progress of a long task with a known total. On a terminal: one line redrawn at most 10 times a second with
/// bar, rate and ETA. Elsewhere: a line at the start, at most one every 10 s, and one at the end with the
/// time taken. Silent on other ranks than 0. Log lines printed meanwhile do not break the bar.
class Progress {
 public:
  /// `done`: how much of the total was there before; it counts for the bar, not for rate and ETA.
  Progress(std::string title, std::int64_t total, std::string unit, std::int64_t done = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(std::int64_t done, std::string_view detail = {});
  void finish();

 private:
  std::string title_;
  std::string unit_;
  std::int64_t total_;
  std::int64_t before_;
  std::int64_t done_;
  double started_s_ = 0;
  double drawn_s_ = -1e9;
  bool finished_ = false;
  void draw(std::string_view detail);
};

/// "1.5 GiB", "3m 20s" for messages.
std::string format_bytes(std::uint64_t bytes);
std::string format_seconds(double seconds);
/// printf-style formatting into a string (std::format is not in the oldest supported compiler).
[[gnu::format(printf, 1, 2)]] std::string strf(const char* format, ...);

}  // namespace anemll
