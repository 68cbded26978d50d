// Who keeps a job that stands still; and what is kept of its last collectives.
#include "src/comm/internal/hang.hpp"

#include "anemll/core/error.hpp"
#include "src/comm/internal/flight_dump.hpp"
#include "src/comm/internal/flight_recorder.hpp"
#include "src/comm/internal/idle_time.hpp"
#include "src/comm/internal/news_channel.hpp"
#include "src/comm/internal/phase_limits.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

constexpr double kLimit_s = 120;

/// A rank that waits in collective `sequence` and has been idle for longer than it may.
KnownRank waiting(int rank, const std::string& host, std::uint64_t sequence) {
  KnownRank known{host, {}, 1, true};
  known.state.rank = rank;
  known.state.waits = 1;
  known.state.step = 41;
  known.state.sequence = sequence;
  known.state.idle_s = kLimit_s + 1;
  known.state.limit_s = kLimit_s;
  put_text(known.state.phase, "reduction");
  put_text(known.state.kind, "all_reduce");
  return known;
}

bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hang)

BOOST_AUTO_TEST_CASE(time_without_a_core_is_not_idle) {
  IdleTime time;
  for (int tick = 0; tick < 400; ++tick) time.tick(0.5, 0.5, false);  // starved for 200 seconds
  BOOST_CHECK_EQUAL(time.idle_s(), 0);
  BOOST_CHECK_EQUAL(time.now_s(), 200);
  for (int tick = 0; tick < 400; ++tick) time.tick(0.5, 0.25, false);  // half of them
  BOOST_CHECK_EQUAL(time.idle_s(), 100);
  // What the system tells late is still no more than the time that has gone by.
  time.tick(0.5, 1000, false);
  BOOST_CHECK_EQUAL(time.idle_s(), 0);
  // Polling for other ranks is idleness on a busy machine too, or a hung job would take its time to be seen.
  for (int tick = 0; tick < 400; ++tick) time.tick(0.5, 0.5, true);
  BOOST_CHECK_EQUAL(time.idle_s(), 200);
  time.sign();
  BOOST_CHECK_EQUAL(time.idle_s(), 0);
  time.tick(3600, 0, false);  // the whole process was stopped
  BOOST_CHECK_EQUAL(time.idle_s(), 2);
}

BOOST_AUTO_TEST_CASE(a_step_may_take_ten_medians) {
  PhaseLimits limits({600, 120, 1800});
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::init), 600);
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::work), 1800);
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::step), 600);  // the first one
  for (int i = 0; i < 5; ++i) limits.step_done(2);
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::step), 120);
  for (int i = 0; i < 4; ++i) limits.step_done(1000);
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::step), 120);  // a few slow ones
  for (int i = 0; i < 2; ++i) limits.step_done(20);
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::step), 200);  // 2 2 2 2 2 [20] 20 1000 1000 1000 1000
  for (int i = 0; i < 31; ++i) limits.step_done(15);    // those are forgotten
  BOOST_CHECK_EQUAL(limits.of(WatchLimit::step), 150);
}

BOOST_AUTO_TEST_CASE(no_limit_is_for_ever) {
  PhaseLimits patient({0, 120, 1800});
  BOOST_CHECK_EQUAL(patient.of(WatchLimit::step), 0);  // the first step is still a start
  patient.step_done(1);
  BOOST_CHECK_EQUAL(patient.of(WatchLimit::step), 120);
  PhaseLimits steps({600, 0, 1800});
  steps.step_done(1);
  BOOST_CHECK_EQUAL(steps.of(WatchLimit::step), 0);
}

BOOST_AUTO_TEST_CASE(one_rank_that_gets_on_keeps_the_job_alive) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "a", 7), waiting(2, "b", 7)};
  BOOST_TEST(is_hung(ranks));
  ranks[2].state.idle_s = 3;
  BOOST_TEST(!is_hung(ranks));
  ranks[2].silent_s = kLimit_s;  // its last word was that it got on, two minutes ago
  BOOST_TEST(is_hung(ranks));
  ranks[2].state.limit_s = 0;  // it may do so for ever
  BOOST_TEST(!is_hung(ranks));
}

BOOST_AUTO_TEST_CASE(a_rank_that_was_never_heard_of_keeps_nobody_and_is_told) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), KnownRank{"b", {}, 0, false}};
  ranks[1].state.rank = 1;
  BOOST_TEST(is_hung(ranks));
  BOOST_TEST(has(hang_text(ranks), "rank 1 on b was never heard of"));
  ranks[0].heard = false;
  BOOST_TEST(!is_hung(ranks));
}

BOOST_AUTO_TEST_CASE(the_silent_rank_is_named_and_nobody_else) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "a", 7), waiting(2, "b", 6)};
  ranks[2].silent_s = 131;
  put_text(ranks[2].state.phase, "backward");
  const std::string text = hang_text(ranks);
  BOOST_TEST(has(text, "hung: rank 2 on b in phase backward, step 41: not heard of for 2m 11s"));
  BOOST_TEST(!has(text, "rank 0"));
  BOOST_TEST(!has(text, "rank 1"));
}

BOOST_AUTO_TEST_CASE(a_rank_that_has_left_is_named) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "a", 7)};
  ranks[1].state.left = 1;
  BOOST_TEST(
      has(hang_text(ranks), "hung: rank 1 on a in phase reduction, step 41: it has left while others wait"));
}

BOOST_AUTO_TEST_CASE(the_rank_that_waits_for_nobody_is_named) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "a", 9), waiting(2, "b", 7)};
  ranks[1].state.waits = 0;
  const std::string text = hang_text(ranks);
  BOOST_TEST(has(text, "hung: rank 1 on a in phase reduction, step 41: no sign of life for 2m 02s"));
  BOOST_TEST(!has(text, "rank 0"));
}

BOOST_AUTO_TEST_CASE(the_rank_in_an_earlier_collective_is_named) {
  const std::vector<KnownRank> ranks{waiting(0, "a", 9), waiting(1, "a", 7), waiting(2, "b", 9)};
  const std::string text = hang_text(ranks);
  BOOST_TEST(has(text,
                 "hung: rank 1 on a in phase reduction, step 41: it waits in collective 7 (all_reduce), "
                 "others are at 9"));
  BOOST_TEST(!has(text, "rank 2"));
}

BOOST_AUTO_TEST_CASE(when_all_wait_for_each_other_all_are_told_up_to_a_number) {
  std::vector<KnownRank> ranks;
  for (int r = 0; r < 11; ++r) ranks.push_back(waiting(r, "a", 7));
  const std::string text = hang_text(ranks);
  BOOST_TEST(has(text, "messages do not arrive"));
  BOOST_TEST(has(text, "hung: rank 7 on a"));
  BOOST_TEST(!has(text, "hung: rank 8 on a"));
  BOOST_TEST(has(text, "hung: 3 more ranks"));
}

BOOST_AUTO_TEST_CASE(at_an_end_the_silent_ranks_are_told_with_their_phases) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "b", 7), waiting(2, "b", 7), waiting(3, "c", 7),
                               KnownRank{"c", {}, 60, false}};
  ranks[1].silent_s = 0.2;
  ranks[2].silent_s = 3;
  put_text(ranks[2].state.phase, "backward");
  ranks[3].silent_s = 60;
  ranks[3].state.left = 1;  // its own error was told
  const std::vector<std::string> lines = lost_texts(ranks, "a");
  BOOST_REQUIRE(lines.size() == 1u);
  BOOST_TEST(has(lines[0], "lost: rank 2 on b in phase backward, step 41: not heard of for 3"));
  for (int r = 0; r < 20; ++r) {
    ranks.push_back(waiting(5 + r, "d", 7));
    ranks.back().silent_s = 3;
  }
  BOOST_TEST(lost_texts(ranks, "a").size() == 9u);
  BOOST_TEST(lost_texts(ranks, "a").back() == "lost: 13 more ranks");
}

BOOST_AUTO_TEST_CASE(a_host_of_which_nobody_speaks_is_lost_sooner_than_a_rank) {
  std::vector<KnownRank> ranks{waiting(0, "a", 7), waiting(1, "a", 7), waiting(2, "b", 7),
                               waiting(3, "b", 7)};
  ranks[1].silent_s = ranks[2].silent_s = 1;
  ranks[3].silent_s = 0.2;
  BOOST_TEST(lost_texts(ranks, "a").empty());
  ranks[3].silent_s = 1;
  const std::vector<std::string> lines = lost_texts(ranks, "a");
  BOOST_REQUIRE(lines.size() == 2u);
  BOOST_TEST((has(lines[0], "lost: rank 2 on b") && has(lines[1], "lost: rank 3 on b")));
  // One that mpirun ends before the others is not lost.
  for (KnownRank& rank : ranks) rank.state.ended = 1;
  BOOST_TEST(lost_texts(ranks, "a").empty());
}

BOOST_AUTO_TEST_CASE(one_rank_tells_of_rank_0) {
  const std::vector<KnownRank> hosts{waiting(0, "a", 7), waiting(1, "a", 7), waiting(2, "b", 7),
                                     waiting(3, "b", 7)};
  BOOST_TEST((tells_of_lost(0, hosts) && !tells_of_lost(1, hosts) && tells_of_lost(2, hosts)));
  BOOST_TEST(!tells_of_lost(3, hosts));
  const std::vector<KnownRank> one{waiting(0, "a", 7), waiting(1, "a", 7), waiting(2, "a", 7)};
  BOOST_TEST((tells_of_lost(1, one) && !tells_of_lost(2, one)));
}

BOOST_AUTO_TEST_CASE(long_texts_are_cut_to_the_field) {
  RankState state;
  put_text(state.phase, "a phase with a long name");
  BOOST_TEST(std::string(state.phase) == "a phase with a ");
  put_text(state.phase, "x");
  BOOST_TEST(std::string(state.phase) == "x");
}

BOOST_AUTO_TEST_CASE(the_newest_collectives_are_kept) {
  FlightRecorder recorder;
  BOOST_TEST(recorder.collectives().empty());
  for (std::uint64_t i = 1; i <= 300; ++i) {
    BOOST_TEST(recorder.begin("barrier", i) == i);
    recorder.wait_in(i);
    if (i != 300) recorder.end(i);
  }
  const auto kept = recorder.collectives();
  BOOST_REQUIRE(kept.size() == FlightRecorder::kKept);
  BOOST_TEST(kept.front().sequence == 45u);
  BOOST_TEST(kept.back().bytes == 300u);
  BOOST_TEST(!kept.back().ended.has_value());
  BOOST_TEST(recorder.waits_in().value().sequence == 300u);
  recorder.end(300);
  BOOST_TEST(!recorder.waits_in().has_value());
  const std::uint64_t last = recorder.begin("barrier", 0);
  recorder.end(20);  // long gone: nothing else is touched
  BOOST_TEST(!recorder.last().ended.has_value());
  BOOST_TEST(recorder.last().sequence == last);
}

BOOST_AUTO_TEST_CASE(every_collective_is_noted_and_does_what_it_did) {
  std::mutex mutex;  // Boost's checks are not for several threads at once
  run_local_ranks(2, [&](Communicator& comm) {
    FlightRecorder recorder;
    const auto noted = make_recorded_communicator(comm, recorder);
    noted->barrier();
    std::vector<float> values(3, 1.0f);
    auto pending = noted->all_reduce_async(values.data(), values.size(), nullptr);
    const bool waits_early = recorder.waits_in().has_value();  // it computes meanwhile
    pending->wait();
    std::int64_t most[] = {comm.rank()};
    noted->all_reduce(std::span<std::int64_t>(most), ReduceOp::max);
    const std::lock_guard lock(mutex);
    BOOST_TEST(!waits_early);
    BOOST_TEST(values[2] == 2.0f);
    BOOST_TEST(most[0] == 1);
    std::vector<std::string> kinds;
    for (const auto& c : recorder.collectives()) {
      kinds.push_back(c.kind);
      BOOST_TEST(c.ended.has_value());
    }
    BOOST_TEST(kinds == (std::vector<std::string>{"barrier", "all_reduce_async", "all_reduce"}),
               boost::test_tools::per_element());
    BOOST_TEST(recorder.collectives()[1].bytes == 12u);
  });
}

BOOST_AUTO_TEST_CASE(states_travel_to_rank_0_and_back) {
  std::mutex mutex;
  run_local_ranks(3, [&](Communicator& comm) {
    const auto channel = open_news_channel(comm);
    std::vector<int> heard(3, 0);
    bool right = true;
    std::int32_t dumps = 0;
    for (int i = 0; i < 500; ++i) {
      NewsChannel::News mine;
      mine.state.rank = comm.rank();
      mine.state.sequence = 10u + static_cast<std::uint64_t>(comm.rank());
      mine.dumps = comm.is_root() ? 5 : 0;
      channel->send(mine);
      channel->receive([&](const NewsChannel::News& news) {
        ++heard[static_cast<std::size_t>(news.state.rank)];
        right &= news.state.sequence == 10u + static_cast<std::uint64_t>(news.state.rank);
        dumps = std::max(dumps, news.dumps);
      });
      std::int64_t done = comm.is_root() ? heard[1] > 0 && heard[2] > 0 : heard[0] > 0;
      comm.all_reduce(std::span(&done, 1), ReduceOp::min);
      if (done != 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    const std::lock_guard lock(mutex);
    BOOST_TEST(right);
    if (comm.is_root()) {
      BOOST_TEST((heard[1] > 0 && heard[2] > 0));
    } else {
      BOOST_TEST(heard[0] > 0);
      BOOST_TEST(heard[3 - static_cast<std::size_t>(comm.rank())] == 0);
      BOOST_TEST(dumps == 5);
    }
  });
}

BOOST_AUTO_TEST_CASE(a_dump_says_what_lasts) {
  const test::TempDir dir;
  FlightRecorder recorder;
  recorder.end(recorder.begin("broadcast", 8));
  recorder.wait_in(recorder.begin("all_gather", 16));
  const KnownRank mine = waiting(3, "b", 2);
  const std::string json =
      flight_json("hang", mine, 4, recorder.collectives(), {}, FlightRecorder::Clock::now());
  const auto file = write_flight(dir / "run/flight", 3, json);
  BOOST_TEST(file.parent_path() == dir / "run/flight");
  BOOST_TEST(file.filename().string().ends_with("_rank3.json"));
  std::ifstream in(file);
  const auto read = nlohmann::json::parse(in);
  BOOST_TEST(read.at("mine").at("host") == "b");
  BOOST_TEST(read.at("collectives").size() == 2u);
  BOOST_TEST(read.at("collectives")[0].at("took_s").is_number());
  BOOST_TEST(read.at("collectives")[1].at("took_s").is_null());
  BOOST_TEST(read.at("collectives")[1].at("bytes") == 16);
}

BOOST_AUTO_TEST_CASE(a_dump_that_cannot_lie_in_its_folder_lies_elsewhere) {
  const test::TempDir dir;
  std::ofstream(dir / "file") << "no folder";
  const auto file = write_flight(dir / "file", 0, "{}\n");
  BOOST_REQUIRE(!file.empty());
  BOOST_TEST(file.parent_path() == std::filesystem::temp_directory_path());
  std::filesystem::remove(file);
}

BOOST_AUTO_TEST_SUITE_END()
