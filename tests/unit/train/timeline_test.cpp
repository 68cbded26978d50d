// Where the time of a run goes: each second counts once, and events are a trace that others can read.
#include "src/train/internal/timeline.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using nlohmann::json;

namespace {

using Clock = Timeline::Clock;

/// Works for a time: what a clock that counts only work would see too.
void work(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
  }
}

/// The shares of a line.
double sum_of_shares(const std::string& line) {
  double sum = 0;
  for (std::size_t at = line.find('%'); at != std::string::npos; at = line.find('%', at + 1)) {
    const std::size_t blank = line.rfind(' ', at);
    sum += std::strtod(line.c_str() + blank + 1, nullptr);
  }
  return sum;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(timeline)

BOOST_AUTO_TEST_CASE(the_innermost_part_counts) {
  Timeline timeline;
  {
    const Timeline::Span outer(timeline, RunPart::evaluation);
    work(0.01);
    {
      const Timeline::Span inner(timeline, RunPart::files);
      work(0.02);
    }
    const Timeline::Span second(timeline, RunPart::data);
    work(0.01);
  }
  work(0.01);
  const double wall = timeline.wall_seconds();
  const double evaluation = timeline.seconds(RunPart::evaluation), files = timeline.seconds(RunPart::files);
  BOOST_TEST(files >= 0.02);
  BOOST_TEST(evaluation >= 0.01);
  BOOST_TEST(timeline.seconds(RunPart::data) >= 0.01);
  BOOST_TEST(timeline.seconds(RunPart::forward) == 0);
  BOOST_TEST(evaluation + files + timeline.seconds(RunPart::data) <= wall - 0.01);

  const json parts = json::parse(timeline.json());
  double sum = 0;
  for (const auto& [name, seconds] : parts.items()) sum += seconds.get<double>();
  BOOST_TEST(parts.size() == kRunParts + 1);
  BOOST_TEST(parts.at("rest").get<double>() >= 0.01);
  BOOST_TEST(sum >= wall);
  BOOST_TEST(sum <= timeline.wall_seconds() + 1e-6);

  const std::string line = timeline.line();
  BOOST_TEST(line.starts_with("time "), line);
  BOOST_TEST(line.find("evaluation") < line.find("files"), line);
  BOOST_TEST(line.find("forward") == std::string::npos, line);
  BOOST_TEST(std::abs(sum_of_shares(line) - 100) < 1, line);
}

BOOST_AUTO_TEST_CASE(a_start_is_everything_before) {
  Timeline timeline;
  work(0.01);
  timeline.end_start();
  BOOST_TEST(timeline.seconds(RunPart::start) >= 0.01);
  Timeline moved = std::move(timeline);  // with the assembly that holds it
  { const Timeline::Span span(moved, RunPart::update); }
  BOOST_TEST(moved.seconds(RunPart::start) >= 0.01);
}

BOOST_AUTO_TEST_CASE(a_trace_has_one_file_a_rank_and_overwrites_none) {
  const test::TempDir dir;
  for (const int rank : {0, 1}) {
    Timeline timeline;
    timeline.keep_events(dir / "trace.json", rank, 2);
    timeline.set_step(7);
    {
      const Timeline::Span outer(timeline, RunPart::files);
      const Timeline::Span inner(timeline, RunPart::backward);
      work(0.002);
    }
    timeline.write();
    timeline.write();  // a run that goes on
  }
  BOOST_TEST(!std::filesystem::exists(dir / "trace.json"));
  BOOST_TEST(std::filesystem::exists(dir / "trace.rank0-2.json"));
  const json trace = json::parse(read_text(dir / "trace.rank1.json"));
  const json& events = trace.at("traceEvents");
  BOOST_REQUIRE_EQUAL(events.size(), 3u);
  BOOST_TEST(events[0].at("args").at("name") == "rank 1");
  const json &inner = events[1], &outer = events[2];
  BOOST_TEST(inner.at("name") == "backward");
  BOOST_TEST(inner.at("ph") == "X");
  BOOST_TEST(inner.at("pid") == 1);
  BOOST_TEST(inner.at("args").at("step") == 7);
  BOOST_TEST(inner.at("dur").get<double>() >= 2000);  // microseconds
  BOOST_TEST(outer.at("ts").get<double>() <= inner.at("ts").get<double>());
  BOOST_TEST(outer.at("dur").get<double>() >= inner.at("dur").get<double>());
  // The same clock for all ranks: the system's, in microseconds.
  const double now =
      std::chrono::duration<double, std::micro>(std::chrono::system_clock::now().time_since_epoch()).count();
  BOOST_TEST(outer.at("ts").get<double>() <= now);
  BOOST_TEST(outer.at("ts").get<double>() > now - 6e7);
}

BOOST_AUTO_TEST_CASE(one_rank_has_the_name_as_it_is_and_a_folder_must_be_there) {
  const test::TempDir dir;
  Timeline timeline;
  timeline.write();  // nothing is kept: nothing is written
  timeline.keep_events(dir / "t.json", 0, 1);
  timeline.write();
  BOOST_TEST(json::parse(read_text(dir / "t.json")).at("traceEvents").size() == 1u);
  BOOST_CHECK_EXCEPTION(timeline.keep_events(dir / "none/t.json", 0, 1), Error,
                        [](const Error& e) { return e.code() == ExitCode::usage; });
}

BOOST_AUTO_TEST_SUITE_END()
