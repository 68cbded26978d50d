// Words that a shell reads back as they were.
#include "src/core/shell_word.hpp"

#include "tests/support/tool_run.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using anemll::shell_word;

BOOST_AUTO_TEST_SUITE(core_shell_word)

BOOST_AUTO_TEST_CASE(plain_words_stay_plain) {
  for (const char* plain : {"--max-steps", "1e-4", "a/b_c.pt", "x=y:0.7,z@2", "50%"})
    BOOST_TEST(shell_word(plain) == plain);
  BOOST_TEST(shell_word("") == "''");
  BOOST_TEST(shell_word("a b") == "'a b'");
  BOOST_TEST(shell_word("it's") == "'it'\\''s'");
}

BOOST_AUTO_TEST_CASE(a_shell_reads_them_back) {
  for (const std::string text :
       {"", "a b", "it's", "$HOME", "`id`", "~", "*", "a\\b", "\"", "!x", "#", "\xc3\xa9", "-n", "a\nb"})
    BOOST_TEST(anemll::test::run("printf '%s|' " + shell_word(text)).output == text + "|");
}

BOOST_AUTO_TEST_SUITE_END()
