// Where log lines of this process go: nowhere, to a caller's sink, or to stderr. Log lines and the progress
// bar share stderr, so that neither tears the other. Private to src/core. Any thread may call it; every call
// is one write, so lines of several ranks stay whole.
#pragma once

#include "anemll/core/log_sink.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace anemll {

class Logger {
 public:
  static Logger& instance();

  void set_sink(LogSink sink);
  void use_stderr();
  void set_rank(int rank, int size);
  int rank();
  void line(LogLevel level, std::string_view text);
  /// Without time and level, on every rank: the last words of a program.
  void plain(std::string_view text);
  /// Progress output is for rank 0 only, where somebody listens.
  bool shows_progress();
  /// Lines go to a stderr that is a terminal and understands a carriage return.
  bool draws_bars();
  static std::size_t terminal_width();
  /// Draws or replaces the bar.
  void bar(std::string_view text);
  /// Removes the bar and says `text` as a log line of level info.
  void end_bar(std::string_view text);
  /// Monotonic seconds since the process began to log.
  double seconds() const;
  /// See life_signs.hpp.
  std::atomic<std::uint64_t>& signs_of_life() { return signs_of_life_; }

 private:
  enum class Output { none, sink, standard_error };

  Logger();
  static void put(const std::string& text);
  std::string prefix(LogLevel level) const;

  const std::chrono::steady_clock::time_point start_;
  LogLevel least_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> signs_of_life_{0};
  Output output_ = Output::none;
  LogSink sink_;
  int rank_ = 0;
  int size_ = 1;
  std::string bar_;  ///< what is drawn on the terminal's last line now
};

}  // namespace anemll
