// The slowest rank is named, with what it waits for.
#include "src/train/internal/stragglers.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(stragglers)

BOOST_AUTO_TEST_CASE(the_slowest_is_named_with_its_wait_for_data) {
  const std::vector<RankPace> paces{{10, 0}, {11, 0}, {20, 12}, {9, 9}};
  const std::vector<std::string> hosts{"a", "a", "b", "b"};
  BOOST_TEST(straggler_text(paces, hosts) ==
             "slowest rank: 2 on b, 2.00x the median, 60% of it waiting for data");
}

BOOST_AUTO_TEST_CASE(of_two_ranks_the_faster_one_is_the_measure) {
  const std::vector<RankPace> paces{{15, 0}, {10, 0}};
  const std::vector<std::string> hosts{"a", "b"};
  BOOST_TEST(straggler_text(paces, hosts) ==
             "slowest rank: 0 on a, 1.50x the median, 0% of it waiting for data");
}

BOOST_AUTO_TEST_CASE(no_time_at_all_divides_by_nothing) {
  const std::vector<RankPace> paces{{0, 0}, {0, 0}};
  const std::vector<std::string> hosts{"a", "b"};
  BOOST_TEST(straggler_text(paces, hosts).find("nan") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
