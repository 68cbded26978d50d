// The table of anemll_snap.
#include "src/tools/snap_options.hpp"

#include "tests/support/choice_checks.hpp"
#include "tests/support/temp_dir.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace anemll {

BOOST_AUTO_TEST_SUITE(snap_options)

BOOST_AUTO_TEST_CASE(every_choice_keeps_its_word) {
  const test::ProgramTable<SnapToolOptions> program{make_snap_table, {"--checkpoint", "x"}};
  const std::set<std::string> checked = {check_choice(program, "layout", &SnapToolOptions::layout),
                                         check_choice(program, "format", &SnapToolOptions::format),
                                         check_choice(program, "device", &SnapToolOptions::device)};
  SnapToolOptions options;
  const std::set<std::string> all = test::choices_in(make_snap_table(options));
  BOOST_TEST(checked == all, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(options_without_effect_are_told) {
  SnapToolOptions options;
  const std::vector<std::string> names = make_snap_table(options).names();
  for (const auto& row : snap_option_effects())
    BOOST_TEST((std::find(names.begin(), names.end(), row.option) != names.end()), row.option);
  const auto told = [&] {
    std::string text;
    const auto every = [](const std::string&) { return true; };
    for (const UnreadOption& one : unread_options(snap_option_effects(), options, every))
      text += one.option + ' ';
    return text;
  };
  BOOST_TEST(told() == "samples ");
  options.cache_dir = std::string("cache");
  BOOST_TEST(told().empty());
  options.test = false;
  BOOST_TEST(told() == "test-tokens ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
