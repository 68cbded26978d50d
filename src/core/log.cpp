// Log lines, progress reports and the formatting of numbers for people. The terminal belongs to logger.cpp.
#include "anemll/core/log.hpp"

#include "anemll/core/log_sink.hpp"
#include "src/core/internal/logger.hpp"
#include "src/core/life_signs.hpp"
#include "src/core/plain_numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace anemll {
namespace {

constexpr double kBarInterval_s = 0.1;
constexpr double kLineInterval_s = 10;
constexpr std::size_t kBarCells = 24;

std::string count_text(std::int64_t done, std::int64_t total, const std::string& unit) {
  return strf("%lld/%lld %s", static_cast<long long>(done), static_cast<long long>(total), unit.c_str());
}

}  // namespace

void set_log_sink(LogSink sink) {
  Logger::instance().set_sink(std::move(sink));
}
void log_to_stderr() {
  Logger::instance().use_stderr();
}
void set_log_rank(int rank, int size) {
  Logger::instance().set_rank(rank, size);
}
void log(LogLevel level, std::string_view text) {
  Logger::instance().line(level, text);
}

Progress::Progress(std::string title, std::int64_t total, std::string unit, std::int64_t done)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      before_(done),
      done_(done),
      started_s_(Logger::instance().seconds()) {
  if (!Logger::instance().shows_progress() || Logger::instance().draws_bars()) return;
  log_info(title_ + ": " + count_text(done_, total_, unit_));
  drawn_s_ = started_s_;
}

Progress::~Progress() {
  if (finished_ || !Logger::instance().shows_progress()) return;
  if (before_ > 0 && before_ == total_) return;  // there was nothing to do
  // Left by an exception: say how far it came.
  Logger& logger = Logger::instance();
  logger.end_bar(title_ + ": stopped at " + count_text(done_, total_, unit_) + " after " +
                 format_seconds(logger.seconds() - started_s_));
}

void Progress::update(std::int64_t done, std::string_view detail) {
  done_ = done;
  give_life_sign();
  const double interval = Logger::instance().draws_bars() ? kBarInterval_s : kLineInterval_s;
  const double now = Logger::instance().seconds();
  if (now - drawn_s_ < interval || !Logger::instance().shows_progress()) return;
  drawn_s_ = now;
  draw(detail);
}

void Progress::draw(std::string_view detail) {
  Logger& logger = Logger::instance();
  const double elapsed = logger.seconds() - started_s_;
  const double share =
      total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 0;
  const double rate = elapsed > 0 ? static_cast<double>(done_ - before_) / elapsed : 0;
  std::string numbers = count_text(done_, total_, unit_);
  if (rate > 0) {
    numbers += strf(rate < 10 ? ", %.2f %s/s" : ", %.0f %s/s", rate, unit_.c_str());
    numbers +=
        ", ETA " + format_seconds(static_cast<double>(std::max<std::int64_t>(total_ - done_, 0)) / rate);
  }
  if (!detail.empty()) numbers += ", " + std::string(detail);
  if (!Logger::instance().draws_bars()) {
    log_info(title_ + ": " + numbers);
    return;
  }
  const auto full = static_cast<std::size_t>(share * static_cast<double>(kBarCells));
  std::string text =
      title_ + " [" + std::string(full, '#') + std::string(kBarCells - full, '.') + "] " + numbers;
  const std::size_t width = Logger::terminal_width();
  if (text.size() >= width) text.resize(width - 1);
  logger.bar(text);
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  Logger& logger = Logger::instance();
  if (!logger.shows_progress()) return;
  logger.end_bar(title_ + ": " + count_text(done_, total_, unit_) + " in " +
                 format_seconds(logger.seconds() - started_s_));
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would print as 1024.0.
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return strf("%.1f %s", value, kUnits[unit]);
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e12) return "?";
  if (seconds < 0.9995) return strf("%.0f ms", seconds * 1000);
  if (seconds < 9.95) return strf("%.1fs", seconds);
  const auto s = static_cast<long long>(std::llround(seconds));
  if (s < 60) return strf("%llds", s);
  if (s < 3600) return strf("%lldm %02llds", s / 60, s % 60);
  if (s < 86400) return strf("%lldh %02lldm", s / 3600, s / 60 % 60);
  return strf("%lldd %02lldh", s / 86400, s / 3600 % 24);
}

std::string strf(const char* format, ...) {
  const PlainNumbers plain;
  std::va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  const int n = std::vsnprintf(nullptr, 0, format, args);
  va_end(args);
  std::string text(n > 0 ? static_cast<std::size_t>(n) : 0, '\0');
  if (n > 0) std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

}  // namespace anemll
