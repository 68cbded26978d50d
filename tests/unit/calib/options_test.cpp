// The options of anemll_calibrate: words, what cannot be meant together, what a run does not read.
#include "anemll/core/error.hpp"
#include "src/calib/calibrate.hpp"
#include "tests/support/choice_checks.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

const test::ProgramTable<CalibrateOptions> kProgram{make_calibrate_table, {}};

CalibrateOptions parsed(const std::vector<std::string>& words) {
  CalibrateOptions options;
  OptionTable table = make_calibrate_table(options);
  kProgram.parse(table, words);
  return options;
}

void refused(const std::vector<std::string>& words, const std::string& part) {
  try {
    check_calibrate_options(parsed(words));
    BOOST_ERROR("taken: " << part);
  } catch (const Error& e) {
    BOOST_TEST((e.code() == ExitCode::usage));
    BOOST_TEST(std::string(e.what()).find(part) != std::string::npos, e.what());
    BOOST_TEST(!e.hint().empty());
  }
}

/// The names of what is told of these words.
std::string told(const std::vector<std::string>& words) {
  CalibrateOptions options;
  OptionTable table = make_calibrate_table(options);
  kProgram.parse(table, words);
  std::string names;
  for (const UnreadOption& one : unread_options(calibrate_option_effects(), options,
                                                [&](const std::string& name) { return table.given(name); }))
    names += (names.empty() ? "" : " ") + one.option;
  return names;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(calib_options)

BOOST_AUTO_TEST_CASE(the_words_of_token_weight_mean_their_values) {
  test::check_choice(kProgram, "token-weight", &CalibrateOptions::token_weight);
}

BOOST_AUTO_TEST_CASE(each_option_without_effect_is_an_option) {
  CalibrateOptions o;
  const std::vector<std::string> names = make_calibrate_table(o).names();
  for (const auto& row : calibrate_option_effects())
    BOOST_TEST((std::find(names.begin(), names.end(), row.option) != names.end()), row.option);
}

BOOST_AUTO_TEST_CASE(what_is_missing_or_contradicts_is_refused) {
  refused({"--model-id", "m", "--dataset_name", "t"}, "--output");
  refused({"--output", "o", "--dataset_name", "t"}, "--model-id");
  refused({"--output", "o", "--model-id", "m"}, "there is no text");
  refused({"--output", "o", "--model-id", "m", "--dataset_name", "t", "--cache-dir", "c"}, "one of both");
  refused({"--output", "o", "--model-id", "m", "--dataset_name", "a:1,b"}, "some have none");
  refused({"--output", "o", "--combine", "a", "--resume", "--overwrite"}, "contradict");
  check_calibrate_options(parsed({"--output", "o", "--combine", "a"}));
  check_calibrate_options(parsed({"--show", "a"}));
}

BOOST_AUTO_TEST_CASE(what_a_run_does_not_read_is_told) {
  BOOST_TEST(
      told({"--output", "o", "--model-id", "org/m", "--dataset_name", "org/t", "--dataset_revision", "x"})
          .empty());
  BOOST_TEST(told({"--output", "o", "--model-id", "m", "--cache-dir", "c", "--max_length", "8", "--seed",
                   "1"}) == "max_length seed");
  BOOST_TEST(told({"--show", "a", "--full", "--output", "o"}) == "full output");
  BOOST_TEST(told({"--output", "o", "--model-id", "m", "--dataset_name", "t", "--work-dir", "w"}) ==
             "work-dir");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
