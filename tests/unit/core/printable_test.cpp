// What a terminal gets to see of names and words that others wrote.
#include "src/core/printable.hpp"

#include <string>
#include <utility>

#include <boost/test/unit_test.hpp>

using anemll::printable;

BOOST_AUTO_TEST_SUITE(core_printable)

BOOST_AUTO_TEST_CASE(only_what_a_terminal_may_obey_is_escaped) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"model.layers.0 'x' \\ 100%", "model.layers.0 'x' \\ 100%"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\x1b[2J", "\\x1B[2J"},
      {"a\nb\tc\rd", "a\\x0Ab\\x09c\\x0Dd"},
      {"\x7f", "\\x7F"},
      {"\xc2\x9b"
       "31m",
       "\\xC2\\x9B31m"},  // CSI in one character
      {"\xc2\xa0", "\xc2\xa0"},
      {"caf\xe9", "caf\\xE9"},
      {"\xed\xa0\x80", "\\xED\\xA0\\x80"},
      {std::string("a\0b", 3), "a\\x00b"}};
  for (const auto& [text, shown] : cases) BOOST_TEST(printable(text) == shown);
}

BOOST_AUTO_TEST_CASE(long_texts_are_cut_between_characters) {
  BOOST_TEST(printable("abcdef", 3) == "abc");
  BOOST_TEST(printable("ab\xe2\x82\xac", 3) == "ab");
  BOOST_TEST(printable("ab\xe2\x82\xac", 5) == "ab\xe2\x82\xac");
}

BOOST_AUTO_TEST_CASE(quotes_hold_what_is_printable_and_say_what_is_left_out) {
  BOOST_TEST(anemll::in_quotes("a\nb") == "'a\\x0Ab'");
  BOOST_TEST(anemll::in_quotes("abcdef", 6) == "'abcdef'");
  BOOST_TEST(anemll::in_quotes("abcdef", 3) == "'abc...'");
}

BOOST_AUTO_TEST_SUITE_END()
