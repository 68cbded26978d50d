// The main of one-process test programs; the module name in reports is the program's own. Log lines go where
// those of programs go.
#define BOOST_TEST_MODULE anemll
#include "anemll/core/log_sink.hpp"

#include <boost/test/unit_test.hpp>

namespace {

struct LogsLikeAProgram {
  LogsLikeAProgram() { anemll::log_to_stderr(); }
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(LogsLikeAProgram);
