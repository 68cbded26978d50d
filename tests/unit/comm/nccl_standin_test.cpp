// The NCCL backend's own source over the stand-in (tests/gpu_standin): it passes the cases of all backends,
// keeps streams in order, and ends with an error that names the call when anything goes wrong.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "src/comm/nccl_communicator.hpp"
#include "tests/gpu_standin/device_cases.hpp"
#include "tests/gpu_standin/endings.hpp"
#include "tests/gpu_standin/faults.hpp"
#include "tests/support/communicator_cases.hpp"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
using standin::Faults;
using test::check_ending;
using test::Ending;
using test::endings;
using test::on_rank;
using test::OnDevice;

namespace {

void sum_once(Communicator& comm, OnDevice& device) {
  comm.all_reduce_async(device.values.data(), device.values.size(), device.stream.get())->wait();
  device.stream.synchronize();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(passes_the_cases_of_all_backends_and_those_of_streams) {
  for (const int ranks : {1, 2, 4}) {
    run_local_ranks(ranks, [&](Communicator& bootstrap) {
      standin::set_faults({});
      const auto comm = make_nccl_communicator(bootstrap, bootstrap.rank());
      test::require(comm->size() == ranks && comm->rank() == bootstrap.rank() && comm->backend() == "nccl",
                    "identity", *comm);
      test::check_everything(*comm);
      test::check_device(*comm, bootstrap);
    });
  }
}

BOOST_AUTO_TEST_CASE(slow_ranks_and_long_progress_change_no_bit) {
  run_local_ranks(4, [](Communicator& bootstrap) {
    Faults faults;
    faults.polls = 20 * bootstrap.rank();
    faults.delay = std::chrono::microseconds(700) * ((bootstrap.rank() + 2) % 4);
    standin::set_faults(faults);
    const auto comm = make_nccl_communicator(bootstrap, bootstrap.rank());
    test::check_device(*comm, bootstrap);
  });
}

BOOST_AUTO_TEST_CASE(an_id_that_cannot_be_made_ends_all_ranks_alike) {
  Faults faults;
  faults.id_fails = true;
  for (const Ending& end : endings(3, on_rank(0, faults), [](Communicator&, OnDevice&) {}))
    check_ending(end, "ncclGetUniqueId");
}

BOOST_AUTO_TEST_CASE(an_init_that_fails_or_never_ends_is_an_error_of_that_call) {
  Faults fails;
  fails.init_fails = true;
  const auto failed = endings(2, on_rank(1, fails), [](Communicator&, OnDevice&) {});
  check_ending(failed[1], "ncclCommInitRankConfig");

  Faults slow;
  slow.polls = 1 << 30;
  for (const Ending& end : endings(
           2, [&](int) { return slow; }, [](Communicator&, OnDevice&) {}))
    check_ending(end, "ncclCommInitRankConfig: still in progress after 300 ms");
}

BOOST_AUTO_TEST_CASE(a_sum_that_stays_in_progress_is_an_error_after_its_limit) {
  Faults faults;
  faults.stuck_in_progress = true;
  const auto ends =
      endings(1, on_rank(0, faults), [](Communicator& comm, OnDevice& device) { sum_once(comm, device); });
  check_ending(ends[0], "ncclAllReduce: still in progress after 300 ms");
}

BOOST_AUTO_TEST_CASE(an_error_of_a_peer_is_told_at_the_next_wait) {
  Faults faults;
  faults.error_at = 3;
  const auto ends = endings(1, on_rank(0, faults), [](Communicator& comm, OnDevice& device) {
    for (int i = 0; i < 1000; ++i) {
      // The host does not wait for the stream here, as in training: the error comes between two steps.
      comm.all_reduce_async(device.values.data(), device.values.size(), nullptr);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  check_ending(ends[0], "remote process exited or there was a network error");
}

BOOST_AUTO_TEST_CASE(the_end_does_not_wait_for_a_rank_that_never_comes) {
  Faults faults;
  faults.absent_from = 0;
  const auto began = std::chrono::steady_clock::now();
  // Nothing in flight but the sum: the destructor gives up after its limit, warns and aborts.
  const auto ends = endings(2, on_rank(1, faults), [](Communicator& comm, OnDevice& device) {
    comm.all_reduce_async(device.values.data(), device.values.size(), nullptr);
  });
  for (const Ending& end : ends) BOOST_TEST(end.text == "no error");
  BOOST_TEST((std::chrono::steady_clock::now() - began < std::chrono::seconds(20)));
}

BOOST_AUTO_TEST_CASE(ranks_that_sum_different_counts_get_an_error) {
  const auto ends = endings(
      2, [](int) { return Faults{}; },
      [](Communicator& comm, OnDevice& device) {
        comm.all_reduce_async(device.values.data(), comm.is_root() ? 100 : 200, device.stream.get())->wait();
        device.stream.synchronize();
        sum_once(comm, device);
      });
  for (const Ending& end : ends) check_ending(end, "invalid argument");
}

BOOST_AUTO_TEST_CASE(its_limits_follow_the_watchdog_s) {
  const NcclLimits limits = nccl_limits({.init = 5, .step = 700, .work = 30});
  BOOST_TEST(limits.init_s == 5);
  BOOST_TEST(limits.call_s == 700);
  const NcclLimits endless = nccl_limits({.init = 0, .step = 7, .work = 30});
  BOOST_TEST(std::isinf(endless.init_s));
  BOOST_TEST(std::isinf(endless.call_s));
}

BOOST_AUTO_TEST_CASE(a_gpu_that_is_missing_or_shared_is_refused_with_the_table) {
  const auto refusal = [](int count, const std::function<int(int)>& device_of) {
    std::string text;
    std::mutex mutex;
    standin::set_device_count(count);
    run_local_ranks(2, [&](Communicator& bootstrap) {
      try {
        make_nccl_communicator(bootstrap, device_of(bootstrap.rank()));
      } catch (const Error& error) {
        const std::lock_guard lock(mutex);
        test::require(error.code() == ExitCode::usage, "exit code", bootstrap);
        test::require(text.empty() || text == error.what(), "ranks refuse in different words", bootstrap);
        text = error.what();
      }
    });
    standin::set_device_count(4);
    return text;
  };
  const std::string shared = refusal(4, [](int) { return 2; });
  BOOST_TEST(shared.find("ranks 0 and 1 use the same GPU") != std::string::npos, shared);
  BOOST_TEST(shared.find("rank 1: ") != std::string::npos, shared);
  ::setenv("ANEMLL_SHARED_GPU", "1", 1);
  BOOST_TEST(refusal(4, [](int) { return 2; }) == "");
  ::unsetenv("ANEMLL_SHARED_GPU");
  const std::string missing = refusal(1, [](int rank) { return rank; });
  BOOST_TEST(missing.find("rank 1 has no such GPU") != std::string::npos, missing);
  BOOST_TEST(missing.find("device 1 of 1") != std::string::npos, missing);
  const std::string none = refusal(0, [](int rank) { return rank; });
  BOOST_TEST(none.find("no CUDA-capable device") != std::string::npos, none);
}

BOOST_AUTO_TEST_SUITE_END()
