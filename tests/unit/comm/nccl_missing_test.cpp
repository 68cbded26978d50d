// What the ranks say when a sum does not end on the device, over the stand-in: the backend's own source below
// the reducer of training and the flight recorder. The host must end by itself, and the record must not be
// closed before the device is done.
#include "anemll/comm/communicator.hpp"
#include "src/comm/bucket_reducer.hpp"
#include "src/comm/internal/flight_dump.hpp"
#include "src/comm/internal/flight_recorder.hpp"
#include "tests/gpu_standin/endings.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace std::chrono_literals;
using standin::Faults;
using test::check_ending;
using test::Ending;
using test::endings;
using test::on_rank;
using test::OnDevice;

namespace {

/// Five buckets of 40 floats each.
constexpr std::array<std::int64_t, 5> kSizes{40, 40, 40, 40, 40};
constexpr std::size_t kBucketBytes = 40 * sizeof(float);

/// One backward pass, as training does it.
void reduce(Communicator& comm, OnDevice& device) {
  BucketReducer reducer(comm, device.values.data(), kSizes, kBucketBytes);
  reducer.begin(device.stream.get());
  for (std::size_t i = kSizes.size(); i-- > 0;) reducer.ready(i);
  reducer.finish();
}

/// Which of the recorded collectives have an end, by the dump: "yyn".
std::string ended(const FlightRecorder& recorder) {
  const auto list = recorder.collectives();
  const auto json =
      nlohmann::json::parse(flight_json("error", KnownRank{}, 1, list, {}, FlightRecorder::Clock::now()));
  std::string text;
  for (const auto& entry : json.at("collectives")) text += entry.at("took_s").is_null() ? 'n' : 'y';
  return text;
}

/// Until `question` is true; false after some seconds.
template <class Question>
bool comes_true(const Question& question) {
  for (int i = 0; i < 5000; ++i) {
    if (question()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

/// What a rank recorded, and in which collective it waited at its end; 0: in none.
struct Flight {
  std::string ended;
  std::uint64_t waits_in = 0;
};

/// `body` of every rank with its collectives recorded.
std::vector<Flight> flights(int ranks, const std::function<Faults(int)>& faults_of,
                            const std::function<void(Communicator&, OnDevice&)>& body,
                            std::vector<Ending>& ends) {
  std::vector<Flight> told(static_cast<std::size_t>(ranks));
  ends = endings(
      ranks, faults_of,
      [&](Communicator& comm, OnDevice& device) {
        FlightRecorder recorder;
        const auto note = [&] {
          const auto waited_in = recorder.waits_in();
          told[static_cast<std::size_t>(comm.rank())] = {ended(recorder),
                                                         waited_in ? waited_in->sequence : 0};
        };
        const auto recorded = make_recorded_communicator(comm, recorder);
        try {
          body(*recorded, device);
        } catch (...) {
          note();
          throw;
        }
        note();
      },
      test::kPatientLimits);
  return told;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(a_rank_that_never_joins_a_sum_ends_the_others) {
  std::atomic<int> waiting{3};
  std::vector<Ending> ends;
  const auto began = std::chrono::steady_clock::now();
  const auto told = flights(
      4, [](int) { return Faults{}; },
      [&](Communicator& comm, OnDevice& device) {
        reduce(comm, device);
        if (comm.rank() == 2) {
          // Calls nothing more while the others wait, as a rank does that hangs elsewhere.
          comes_true([&] { return waiting == 0; });
          return;
        }
        try {
          reduce(comm, device);
        } catch (...) {
          --waiting;
          throw;
        }
        --waiting;
      },
      ends);
  BOOST_TEST((std::chrono::steady_clock::now() - began < 20s));
  for (const std::size_t r : {0U, 1U, 3U}) {
    check_ending(ends[r], "sum 6 of 40 floats over 4 ranks is not done after 3.0s");
    check_ending(ends[r], "a rank has not joined");
    BOOST_TEST(told[r].ended == "yyyyynnnnn");
    BOOST_TEST(told[r].waits_in == 6U);
  }
  BOOST_TEST(ends[2].text == "no error");
}

BOOST_AUTO_TEST_CASE(an_error_in_the_middle_of_the_buckets_is_told_in_nccl_s_words) {
  Faults faults;
  faults.error_at = 2;
  std::vector<Ending> ends;
  const auto told = flights(2, on_rank(1, faults), reduce, ends);
  check_ending(ends[1], "remote process exited or there was a network error");
  BOOST_TEST(told[1].ended.substr(2, 1) == "n", told[1].ended);  // the third sum never ends
  check_ending(ends[0], "sum 3 of 40 floats over 2 ranks is not done");
  BOOST_TEST(told[0].ended == "yynnn");
  BOOST_TEST(told[0].waits_in == 3U);
}

BOOST_AUTO_TEST_CASE(a_sum_is_not_recorded_as_ended_before_the_device_is_done) {
  Faults faults;
  faults.absent_from = 0;
  std::vector<Ending> ends;
  const auto told = flights(
      2, on_rank(1, faults),
      [](Communicator& comm, OnDevice& device) {
        comm.all_reduce_async(device.values.data(), 200, device.stream.get())->wait();
        throw_comm("the host has not waited for the device", "test", "");
      },
      ends);
  for (const Flight& flight : told) BOOST_TEST(flight.ended == "n");
  // The host does other things behind wait(), and the record must not say that it is in the sum.
  for (const Flight& flight : told) BOOST_TEST(flight.waits_in == 0U);
}

BOOST_AUTO_TEST_CASE(the_end_of_a_sum_is_recorded_at_the_next_look) {
  for (const bool by_progress : {true, false}) {
    run_local_ranks(2, [&](Communicator& bootstrap) {
      standin::set_faults({});
      OnDevice device;
      const auto comm = make_nccl_communicator(bootstrap, bootstrap.rank(), test::kPatientLimits);
      FlightRecorder recorder;
      const auto recorded = make_recorded_communicator(*comm, recorder);
      recorded->all_reduce_async(device.values.data(), 200, device.stream.get())->wait();
      device.stream.synchronize();
      if (by_progress)
        recorded->progress();
      else
        recorded->barrier();  // the bootstrap's
      test::require(ended(recorder) == (by_progress ? "y" : "yy"), "the end of a sum was not noted", *comm);
    });
  }
}

BOOST_AUTO_TEST_CASE(behind_the_reducer_the_host_sees_the_sums) {
  Faults slow;
  slow.delay = 2ms;
  std::vector<Ending> ends;
  const auto told = flights(
      2, on_rank(1, slow),
      [](Communicator& comm, OnDevice& device) {
        for (int i = 0; i < 3; ++i) reduce(comm, device);
        // No synchronisation of the stream: finish() was one.
        for (const float value : device.values) test::require(value == 8.0F, "a sum is not there", comm);
      },
      ends);
  for (const Ending& end : ends) BOOST_TEST(end.text == "no error");
  for (const Flight& flight : told) BOOST_TEST(flight.ended == std::string(15, 'y'));
}

BOOST_AUTO_TEST_SUITE_END()
