// The number of threads of a rank: what is said of it, and by whom.
#include "src/model/compute.hpp"

#include "tests/support/capture.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(compute)

BOOST_AUTO_TEST_CASE(of_ranks_that_share_processors_the_first_of_a_host_warns) {
  constexpr int kTooMany = 100'000;  // ranks of one thread, on any machine
  const auto warns = [](int local_rank) {
    test::Capture errors(2);
    BOOST_TEST(set_compute_threads(1, local_rank, kTooMany) == 1);
    return errors.text().find("warning: 1 thread of 100000 ranks share") != std::string::npos;
  };
  BOOST_TEST(warns(0));
  BOOST_TEST(!warns(1));
}

BOOST_AUTO_TEST_SUITE_END()
