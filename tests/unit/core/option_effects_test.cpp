// Options without effect: which rows of a table are told, and how.
#include "src/core/option_effects.hpp"

#include "tests/support/capture.hpp"

#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

struct Facts {
  bool plain = false;
  bool alone = false;
};

const std::vector<OptionEffect<Facts>> kTable = {
    {"template", "with plain text", [](const Facts& f) { return f.plain; }},
    {"bucket", "on one rank", [](const Facts& f) { return f.alone; }},
    {"template", "on one rank", [](const Facts& f) { return f.alone; }},
};

std::vector<std::string> told(const Facts& facts, const std::set<std::string>& names) {
  std::vector<std::string> texts;
  for (const UnreadOption& one :
       unread_options(kTable, facts, [&](const std::string& name) { return names.contains(name); }))
    texts.push_back(one.text());
  return texts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(option_effects)

BOOST_AUTO_TEST_CASE(only_what_was_given_and_is_not_read) {
  const std::set<std::string> both = {"template", "bucket"};
  BOOST_TEST(told({}, both).empty());
  BOOST_TEST(told({true, true}, {}).empty());
  BOOST_TEST(
      told({true, false}, both) == std::vector<std::string>{"--template has no effect with plain text"},
      boost::test_tools::per_element());
  // In the order of the table, each with its first reason.
  BOOST_TEST(told({true, true}, both) == (std::vector<std::string>{"--template has no effect with plain text",
                                                                   "--bucket has no effect on one rank"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_is_a_warning) {
  test::Capture err(STDERR_FILENO);
  tell_unread({{"bucket", "on one rank"}});
  const std::string text = err.text();
  BOOST_TEST(text.find("warning: --bucket has no effect on one rank (drop it)") != std::string::npos, text);
}

BOOST_AUTO_TEST_SUITE_END()
