// The outline of a chat template: what makes no difference, and what does.
#include "src/text/internal/jinja_outline.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {

using text::jinja_outline;

BOOST_AUTO_TEST_SUITE(text_outline)

BOOST_AUTO_TEST_CASE(sums_and_text_are_one) {
  const std::string expected = "text a\\nb\nprint message.role\ntext c\n";
  BOOST_TEST(jinja_outline("a\nb{{ message['role'] }}c") == expected);
  BOOST_TEST(jinja_outline("{{ 'a\\n' + \"b\" + message.role + 'c' }}") == expected);
  BOOST_TEST(jinja_outline("a\n{# note #}b{{message [ \"role\" ]}}c\n") == expected);
}

BOOST_AUTO_TEST_CASE(white_space_as_jinja_strips_it) {
  // trim_blocks, lstrip_blocks, and the minus.
  BOOST_TEST(jinja_outline("a\n  {% if x %}\nb\n{% endif %}") == "text a\\n\ndo if x\ntext b\\n\ndo endif\n");
  BOOST_TEST(jinja_outline("a\n  {%- if x -%}\n  b {{- c -}} \n d") ==
             "text a\ndo if x\ntext b\nprint c\ntext d\n");
  BOOST_TEST(jinja_outline("a {{ b }}\n c") == "text a \nprint b\ntext \\n c\n");
  // Blanks before a tag go only when nothing but them stands before it in the line.
  BOOST_TEST(jinja_outline("  {% if x %}\n  {% endif %}") == "do if x\ndo endif\n");
  BOOST_TEST(jinja_outline("{{ a }} {% if x %} {% endif %} {# n #} {{ b }}") ==
             "print a\ntext  \ndo if x\ntext  \ndo endif\ntext   \nprint b\n");
  BOOST_TEST(jinja_outline("a {% if x %} b") == "text a \ndo if x\ntext  b\n");
}

BOOST_AUTO_TEST_CASE(expressions_that_are_no_sum_stay_whole) {
  BOOST_TEST(jinja_outline("{{ 'a' + b | trim }}") == "print \"a\"+b|trim\n");
  BOOST_TEST(jinja_outline("{{ ('a' + b) }}") == "print (\"a\"+b)\n");
  BOOST_TEST(jinja_outline("{{ m[-1]['role'] }}") == "print m[-1].role\n");
  BOOST_TEST(jinja_outline("{% for x in ['a'] %}") == "do for x in[\"a\"]\n");
  BOOST_TEST(jinja_outline("{{ '}}' + \"it's\" }}") == "text }}it's\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
