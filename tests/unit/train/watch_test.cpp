// Which limit of the watchdog holds in which part of a run.
#include "src/train/internal/watch.hpp"

#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(watch_limits_of_parts)

BOOST_AUTO_TEST_CASE(only_what_takes_its_time_has_the_limit_of_work) {
  for (std::size_t i = 0; i < kRunParts; ++i) {
    const auto part = static_cast<RunPart>(i);
    const bool work = part == RunPart::evaluation || part == RunPart::files;
    const WatchLimit wanted = part == RunPart::start ? WatchLimit::init
                              : work                 ? WatchLimit::work
                                                     : WatchLimit::step;
    BOOST_TEST((limit_of(part) == wanted), name_of(part));
  }
}

BOOST_AUTO_TEST_CASE(what_is_in_no_part_of_a_step_has_the_limit_of_a_step) {
  BOOST_TEST((limit_of(std::nullopt) == WatchLimit::step));
}

BOOST_AUTO_TEST_SUITE_END()
