// What the system tells of a process.
#include "src/core/platform.hpp"

#include <atomic>
#include <thread>

#include <boost/test/unit_test.hpp>

using namespace anemll;

BOOST_AUTO_TEST_CASE(a_thread_that_would_run_is_seen_and_one_that_sleeps_is_not) {
  BOOST_CHECK(!other_thread_is_ready());
  std::atomic<bool> stop{false};
  std::jthread busy([&] {
    while (!stop) {
    }
  });
  BOOST_CHECK(other_thread_is_ready());
  const double before = processor_s();
  while (processor_s() < before + 0.02) {
  }
  stop = true;
  busy.join();
  BOOST_CHECK(!other_thread_is_ready());
  std::jthread asleep([&] { stop.wait(true); });
  while (other_thread_is_ready()) {  // it is on its way to sleep
  }
  stop = false;
  stop.notify_one();
}
