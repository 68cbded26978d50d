// Moments over MPI's ranks: the bits of one rank.
#include "anemll/comm/communicator.hpp"
#include "tests/support/moment_cases.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(moments)

BOOST_AUTO_TEST_CASE(ranks_change_no_bit) {
  anemll::MpiRuntime runtime(nullptr, nullptr);
  const auto world = runtime.world();
  BOOST_CHECK_NO_THROW(anemll::test::check_moment_sums(*world));
}

BOOST_AUTO_TEST_SUITE_END()
