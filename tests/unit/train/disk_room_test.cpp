// What a run will write, and that too little room for it is told.
#include "src/train/internal/disk_room.hpp"

#include "tests/support/temp_dir.hpp"

#include <limits>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_SUITE(disk_room)

BOOST_AUTO_TEST_CASE(copies_count_as_often_as_they_are_made_and_kept) {
  constexpr std::uint64_t kCheckpoint = 1000, kState = 10, kAlways = 2520;
  TrainOptions options;
  options.max_steps = 100;
  BOOST_TEST(bytes_to_come(options, 0, kCheckpoint, kState) == kAlways);
  options.save_steps = 20;
  BOOST_TEST(bytes_to_come(options, 0, kCheckpoint, kState) == kAlways + 5 * kCheckpoint);
  BOOST_TEST(bytes_to_come(options, 50, kCheckpoint, kState) == kAlways + 2 * kCheckpoint);
  BOOST_TEST(bytes_to_come(options, 200, kCheckpoint, kState) == kAlways);  // a run that is over
  options.keep_checkpoints = 1;  // the old one goes when the new one is there
  BOOST_TEST(bytes_to_come(options, 0, kCheckpoint, kState) == kAlways + 2 * kCheckpoint);
}

BOOST_AUTO_TEST_CASE(only_what_does_not_fit_is_told) {
  const test::TempDir dir;
  BOOST_TEST(disk_warning(dir.path(), 1).empty());
  BOOST_TEST(disk_warning(dir / "is_not_there", std::numeric_limits<std::uint64_t>::max()).empty());
  const std::string told = disk_warning(dir.path(), std::numeric_limits<std::uint64_t>::max());
  BOOST_TEST(told.find("PiB more") != std::string::npos, told);
  BOOST_TEST(told.find(dir.path().string()) != std::string::npos, told);
}

BOOST_AUTO_TEST_SUITE_END()
