// Other programs: their words, variables, streams and end.
#include "src/core/child.hpp"

#include "anemll/core/error.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <csignal>
#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

BOOST_AUTO_TEST_SUITE(core_child)

BOOST_AUTO_TEST_CASE(a_child_gets_its_words_as_they_are) {
  const ChildEnd end =
      run_child("/bin/sh", {"-c", "printf '%s|' \"$@\"; cat; exit 7", "x", "a b", "$HOME;'"});
  BOOST_TEST(end.code == 7);
  BOOST_TEST(end.output == "a b|$HOME;'|");
  BOOST_TEST(!end.killed);
  BOOST_CHECK_EXCEPTION(run_child("/nowhere/x", {}), Error, [](const Error& e) {
    return e.code() == ExitCode::data && e.problem().starts_with("cannot start");
  });
}

BOOST_AUTO_TEST_CASE(variables_and_streams_are_as_asked_for) {
  const Environment before("ANEMLL_CHILD_TEST", "before");
  const std::string script = "echo $ANEMLL_CHILD_TEST; echo told >&2";
  BOOST_TEST(run_child("/bin/sh", {"-c", script}).output == "before\ntold\n");
  ChildSetup setup;
  setup.variables = {"ANEMLL_CHILD_TEST=other"};
  setup.with_errors = false;
  BOOST_TEST(run_child("/bin/sh", {"-c", script}, setup).output == "other\n");
  setup.most_output = 3;
  BOOST_TEST(run_child("/bin/sh", {"-c", script}, setup).output == "oth");
}

BOOST_AUTO_TEST_CASE(who_hangs_is_killed) {
  ChildSetup setup;
  setup.limit_s = 0.05;
  const ChildEnd end = run_child("/bin/sh", {"-c", "exec sleep 1000"}, setup);
  BOOST_TEST(end.killed);
  BOOST_TEST(end.code == 128 + SIGKILL);
}

BOOST_AUTO_TEST_CASE(programs_are_found_in_the_path) {
  const std::string path = std::getenv("PATH");
  BOOST_TEST(find_program("sh").has_value());
  BOOST_TEST(!find_program("no-such-program").has_value());
  ::setenv("PATH", ":/nowhere", 1);
  BOOST_TEST(!find_program("sh").has_value());
  ::setenv("PATH", path.c_str(), 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
