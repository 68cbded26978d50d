// The signal flag survives any number of signals and remembers the last one.
#include "anemll/core/signals.hpp"

#include <boost/test/unit_test.hpp>
#include <signal.h>

BOOST_AUTO_TEST_SUITE(signals)

BOOST_AUTO_TEST_CASE(both_signals_set_the_flag_again_and_again) {
  struct sigaction term {
  }, usr1{};
  sigaction(SIGTERM, nullptr, &term);
  sigaction(SIGUSR1, nullptr, &usr1);

  anemll::install_signal_flag();
  anemll::clear_pending_signal();
  BOOST_CHECK_EQUAL(anemll::pending_signal(), 0);
  raise(SIGTERM);
  BOOST_CHECK_EQUAL(anemll::pending_signal(), SIGTERM);
  raise(SIGTERM);  // the default action, had it come back, would end the program here
  BOOST_CHECK_EQUAL(anemll::pending_signal(), SIGTERM);
  raise(SIGUSR1);
  BOOST_CHECK_EQUAL(anemll::pending_signal(), SIGUSR1);
  anemll::clear_pending_signal();
  BOOST_CHECK_EQUAL(anemll::pending_signal(), 0);

  sigaction(SIGTERM, &term, nullptr);
  sigaction(SIGUSR1, &usr1, nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
