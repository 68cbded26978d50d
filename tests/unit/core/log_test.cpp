// What reaches stderr: levels and ranks, progress on a terminal and in a file, several threads at once. What
// reaches a caller's sink, and that nothing is said without one.
#include "anemll/core/log_sink.hpp"
#include "tests/support/capture.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {

using anemll::LogLevel;
using anemll::Progress;
using anemll::test::Capture;

struct AsRank {
  AsRank(int rank, int size) { anemll::set_log_rank(rank, size); }
  ~AsRank() { anemll::set_log_rank(0, 1); }
  AsRank(const AsRank&) = delete;
  AsRank& operator=(const AsRank&) = delete;
};

/// Lines go to this sink, and to stderr again in the end.
struct WithSink {
  explicit WithSink(anemll::LogSink sink) { anemll::set_log_sink(std::move(sink)); }
  ~WithSink() { anemll::log_to_stderr(); }
  WithSink(const WithSink&) = delete;
  WithSink& operator=(const WithSink&) = delete;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}
/// '#' stands for one or more digits, '*' for anything.
bool fits(std::string_view line, std::string_view pattern) {
  if (pattern.empty()) return line.empty();
  const auto is_digit = [&](std::size_t i) { return i < line.size() && line[i] >= '0' && line[i] <= '9'; };
  if (pattern[0] == '*') {
    for (std::size_t i = 0; i <= line.size(); ++i) {
      if (fits(line.substr(i), pattern.substr(1))) return true;
    }
    return false;
  }
  if (pattern[0] == '#') {
    std::size_t i = 0;
    while (is_digit(i)) ++i;
    return i > 0 && fits(line.substr(i), pattern.substr(1));
  }
  return !line.empty() && line[0] == pattern[0] && fits(line.substr(1), pattern.substr(1));
}
bool matches(const std::string& line, const char* pattern) {
  const bool ok = fits(line, pattern);
  if (!ok) BOOST_TEST_MESSAGE("'" << line << "' does not match " << pattern);
  return ok;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_log)

BOOST_AUTO_TEST_CASE(lines_have_time_and_level) {
  Capture err(STDERR_FILENO);
  anemll::log_info("plain");
  anemll::log_warning("careful\nsecond");
  anemll::log(LogLevel::error, "broken");
  anemll::log(LogLevel::debug, "unseen");
  const auto lines = lines_of(err.text());
  BOOST_REQUIRE(lines.size() == 4u);
  BOOST_TEST(matches(lines[0], "[#:#:# +#.#s] plain"));
  BOOST_TEST(matches(lines[1], "[#:#:# +#.#s] warning: careful"));
  BOOST_TEST(lines[2] == "    second");
  BOOST_TEST(matches(lines[3], "[*] error: broken"));
}

BOOST_AUTO_TEST_CASE(other_ranks_warn_with_their_number_only) {
  Capture err(STDERR_FILENO);
  {
    const AsRank rank(3, 4);
    anemll::log_info("unseen");
    anemll::log_warning("seen");
    Progress progress("Unseen", 10, "items");
    progress.update(5);
    progress.finish();
  }
  const auto lines = lines_of(err.text());
  BOOST_REQUIRE(lines.size() == 1u);
  BOOST_TEST(matches(lines[0], "[rank 3] [*] warning: seen"));
}

BOOST_AUTO_TEST_CASE(progress_in_a_file_is_a_first_and_a_last_line) {
  Capture err(STDERR_FILENO);
  {
    Progress progress("Import", 1000, "shards");
    for (int i = 1; i <= 1000; ++i) progress.update(i, "detail");
    progress.finish();
    progress.finish();  // once is enough
  }
  const std::string text = err.text();
  const auto lines = lines_of(text);
  BOOST_REQUIRE(lines.size() == 2u);
  BOOST_TEST(lines[0].ends_with("Import: 0/1000 shards"));
  BOOST_TEST(matches(lines[1], "* Import: 1000/1000 shards in #*s"));
  BOOST_TEST(text.find('\r') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(progress_cut_short_says_how_far_it_came) {
  Capture err(STDERR_FILENO);
  {
    Progress progress("Save", 10, "tensors");
    progress.update(4);
  }
  const auto lines = lines_of(err.text());
  BOOST_REQUIRE(lines.size() == 2u);
  BOOST_TEST(lines[1].find("Save: stopped at 4/10 tensors") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_was_complete_from_the_start_is_not_called_stopped) {
  Capture err(STDERR_FILENO);
  { const Progress progress("Train", 10, "steps", 10); }
  const auto lines = lines_of(err.text());
  BOOST_REQUIRE(lines.size() == 1u);
  BOOST_TEST(lines[0].ends_with("Train: 10/10 steps"));
}

BOOST_AUTO_TEST_CASE(what_was_there_before_is_not_in_the_rate) {
  ::setenv("TERM", "xterm", 1);
  Capture err(STDERR_FILENO, Capture::To::terminal);
  {
    Progress progress("Train", 1000, "steps", 900);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    progress.update(901);
    progress.finish();
  }
  const std::string text = err.text();
  BOOST_TEST(text.find("901/1000 steps") != std::string::npos);
  const std::size_t end = text.find(" steps/s");
  BOOST_REQUIRE(end != std::string::npos);
  const std::size_t begin = text.rfind(' ', end - 1) + 1;
  BOOST_TEST(std::stod(text.substr(begin, end - begin)) <= 50);  // one step in at least 20 ms
}

BOOST_AUTO_TEST_CASE(a_terminal_gets_a_bar_that_log_lines_do_not_break) {
  ::setenv("TERM", "xterm", 1);
  Capture err(STDERR_FILENO, Capture::To::terminal);
  {
    Progress progress("Init", 4, "layers");
    progress.update(2, "SVD");
    progress.update(3);  // too soon to be drawn
    anemll::log_info("meanwhile");
    progress.update(4);
    progress.finish();
  }
  const std::string text = err.text();
  const std::string clear = "\r\x1b[K";
  const std::string bar = "Init [############............] 2/4 layers";
  BOOST_TEST(text.starts_with(clear + bar));
  const std::size_t log_line = text.find("meanwhile");
  BOOST_REQUIRE(log_line != std::string::npos);
  // The line takes the bar's place, and the bar is drawn again below it.
  BOOST_TEST(text.find(clear + "[", 1) < log_line);
  BOOST_TEST(text.find(bar, log_line) != std::string::npos);
  BOOST_TEST(text.find("3/4") == std::string::npos);
  BOOST_TEST(text.rfind("Init: 4/4 layers in") > log_line);
  BOOST_TEST(text.ends_with("\n"));
}

BOOST_AUTO_TEST_CASE(lines_of_several_threads_stay_whole) {
  constexpr int kThreads = 4, kLines = 200;
  Capture err(STDERR_FILENO);
  {
    Progress progress("Work", kLines, "items");
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < kLines; ++i)
          anemll::log_info("<" + std::string(50, static_cast<char>('a' + t)) + ">");
      });
    }
    for (int i = 0; i < kLines; ++i) progress.update(i);
    threads.clear();
    progress.finish();
  }
  const auto lines = lines_of(err.text());
  BOOST_TEST(lines.size() == kThreads * kLines + 2u);
  const auto whole = [](const std::string& line) {
    return line.size() > 52 && line.starts_with('[') && line.ends_with('>') &&
           line[line.size() - 52] == '<' &&
           line.substr(line.size() - 51, 50) == std::string(50, line[line.size() - 2]);
  };
  const auto count = std::count_if(lines.begin(), lines.end(), whole);
  BOOST_TEST(count == kThreads * kLines);
}

BOOST_AUTO_TEST_CASE(a_sink_gets_levels_and_texts_and_stderr_nothing) {
  std::vector<std::pair<LogLevel, std::string>> seen;
  Capture err(STDERR_FILENO);
  {
    const WithSink sink([&](LogLevel level, std::string_view text) { seen.emplace_back(level, text); });
    anemll::log_info("plain");
    anemll::log_warning("careful\nsecond");
    anemll::log(LogLevel::debug, "unseen");
    Progress progress("Import", 3, "shards");
    progress.update(3);
    progress.finish();
  }
  BOOST_TEST(err.text().empty());
  BOOST_REQUIRE(seen.size() == 4u);
  BOOST_TEST((seen[0] == std::pair(LogLevel::info, std::string("plain"))));
  BOOST_TEST((seen[1] == std::pair(LogLevel::warning, std::string("careful\nsecond"))));
  BOOST_TEST(seen[2].second == "Import: 0/3 shards");
  BOOST_TEST(seen[3].second.starts_with("Import: 3/3 shards in "));
}

BOOST_AUTO_TEST_CASE(without_a_sink_nothing_is_said) {
  ::setenv("TERM", "xterm", 1);
  for (const Capture::To to : {Capture::To::file, Capture::To::terminal}) {
    Capture err(STDERR_FILENO, to);
    {
      const WithSink none(nullptr);
      anemll::log(LogLevel::error, "broken");
      Progress progress("Import", 2, "shards");
      progress.update(1);
      { Progress left("Left", 2, "shards"); }
      progress.finish();
    }
    BOOST_TEST(err.text().empty());
  }
}

BOOST_AUTO_TEST_CASE(numbers_for_people) {
  using anemll::format_bytes;
  using anemll::format_seconds;
  BOOST_TEST(format_bytes(0) == "0 B");
  BOOST_TEST(format_bytes(1023) == "1023 B");
  BOOST_TEST(format_bytes(1536) == "1.5 KiB");
  BOOST_TEST(format_bytes((std::uint64_t{1} << 20) - 1) == "1.0 MiB");
  BOOST_TEST(format_bytes(std::uint64_t{3} << 29) == "1.5 GiB");
  BOOST_TEST(format_bytes(std::numeric_limits<std::uint64_t>::max()) == "16384.0 PiB");
  BOOST_TEST(format_seconds(0.0123) == "12 ms");
  BOOST_TEST(format_seconds(0.9999) == "1.0s");
  BOOST_TEST(format_seconds(3.24) == "3.2s");
  BOOST_TEST(format_seconds(9.97) == "10s");
  BOOST_TEST(format_seconds(59.7) == "1m 00s");
  BOOST_TEST(format_seconds(200) == "3m 20s");
  BOOST_TEST(format_seconds(7500) == "2h 05m");
  BOOST_TEST(format_seconds(3 * 86400 + 4 * 3600) == "3d 04h");
  BOOST_TEST(format_seconds(-1) == "?");
  BOOST_TEST(format_seconds(std::numeric_limits<double>::infinity()) == "?");
  BOOST_TEST(anemll::strf("%d %s %.3f", 7, "x", 0.5) == "7 x 0.500");
  BOOST_TEST(anemll::strf("%s", std::string(5000, 'y').c_str()).size() == 5000u);
  BOOST_TEST(anemll::strf("%s", "").empty());
}

BOOST_AUTO_TEST_SUITE_END()
