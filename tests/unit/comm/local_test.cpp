// The single and the local backend: the cases of all backends, and that nobody waits for a rank that is gone.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "tests/support/communicator_cases.hpp"

#include <atomic>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// Runs `body` on three ranks and returns the text of the error that comes out.
std::string error_of_run(const std::function<void(Communicator&)>& body) {
  try {
    run_local_ranks(3, body);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(comm)

BOOST_AUTO_TEST_CASE(single_rank_passes_all_cases) {
  const auto single = make_single_communicator();
  BOOST_CHECK_EQUAL(single->size(), 1);
  test::check_everything(*single);
}

BOOST_AUTO_TEST_CASE(local_ranks_pass_all_cases) {
  for (const int ranks : {1, 2, 3, 4, 8}) run_local_ranks(ranks, test::check_everything);
}

BOOST_AUTO_TEST_CASE(every_rank_runs_once_with_its_own_number) {
  std::vector<std::atomic<int>> runs(5);
  run_local_ranks(5, [&](Communicator& comm) {
    ++runs[static_cast<std::size_t>(comm.rank())];
    test::require(comm.size() == 5 && comm.backend() == "local" && comm.is_root() == (comm.rank() == 0),
                  "identity", comm);
  });
  for (const auto& count : runs) BOOST_CHECK_EQUAL(count.load(), 1);
}

BOOST_AUTO_TEST_CASE(others_leave_when_a_rank_throws) {
  std::atomic<int> told = 0;
  const auto body_with = [&](const std::function<void(Communicator&)>& collective) {
    return [&told, collective](Communicator& comm) {
      comm.barrier();
      if (comm.rank() == 1) throw_numerics("the loss is NaN", "step 3", "lower the learning rate");
      try {
        collective(comm);
      } catch (const Error& error) {
        if (error.code() == ExitCode::communication) ++told;
        throw;
      }
    };
  };
  std::vector<float> values(6);
  const std::vector<std::function<void(Communicator&)>> collectives = {
      [](Communicator& comm) { comm.barrier(); },
      [](Communicator& comm) {
        std::vector<float> mine(100);
        comm.all_reduce(std::span(mine), ReduceOp::sum);
      },
      [](Communicator& comm) {
        std::vector<float> mine(100);
        comm.all_reduce_async(mine.data(), mine.size(), nullptr)->wait();
      },
      [](Communicator& comm) {
        std::vector<float> mine(100);
        BucketReducer reducer(comm, mine.data(), std::vector<std::int64_t>{50, 50}, 4);
        reducer.begin();
        reducer.ready(1);
        reducer.finish();
      }};
  for (const auto& collective : collectives) {
    told = 0;
    BOOST_CHECK_EXCEPTION(run_local_ranks(3, body_with(collective)), Error,
                          [](const Error& error) { return error.code() == ExitCode::numerics; });
    BOOST_CHECK_EQUAL(told.load(), 2);
  }
}

BOOST_AUTO_TEST_CASE(a_sum_given_up_touches_no_memory) {
  // Rank 0 posts, gives up and reuses its memory; the others are told and nothing is written.
  std::vector<float> kept(1000, 3.0F);
  const std::string text = error_of_run([&](Communicator& comm) {
    std::vector<float> mine(1000, 1.0F);
    if (comm.rank() == 0) {
      comm.all_reduce_async(kept.data(), kept.size(), nullptr).reset();
      comm.barrier();
      return;
    }
    comm.barrier();
    comm.all_reduce_async(mine.data(), mine.size(), nullptr)->wait();
  });
  BOOST_CHECK_MESSAGE(contains(text, "local communicator"), text);
  BOOST_CHECK(kept == std::vector<float>(1000, 3.0F));
}

BOOST_AUTO_TEST_CASE(others_leave_when_a_rank_returns_early) {
  const std::string text = error_of_run([](Communicator& comm) {
    if (comm.rank() != 2) comm.barrier();
  });
  BOOST_CHECK_MESSAGE(contains(text, "already returned"), text);
}

BOOST_AUTO_TEST_CASE(different_calls_are_named) {
  const std::string text = error_of_run([](Communicator& comm) {
    std::vector<float> values(comm.rank() == 0 ? 4 : 5);
    comm.all_reduce(std::span(values), ReduceOp::sum);
  });
  BOOST_CHECK_MESSAGE(contains(text, "all_reduce of 16 bytes") && contains(text, "all_reduce of 20 bytes"),
                      text);
  const std::string counts = error_of_run([](Communicator& comm) {
    std::vector<float> values(5);
    comm.all_reduce_async(values.data(), comm.rank() == 2 ? 4U : 5U, nullptr)->wait();
  });
  BOOST_CHECK_MESSAGE(contains(counts, "do not match"), counts);
}

BOOST_AUTO_TEST_CASE(needs_a_rank) {
  BOOST_CHECK_THROW(run_local_ranks(0, [](Communicator&) {}), Error);
}

BOOST_AUTO_TEST_SUITE_END()
