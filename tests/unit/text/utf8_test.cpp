// Characters whose bytes are not all there yet.
#include "src/text/utf8.hpp"

#include <cstddef>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::text {

BOOST_AUTO_TEST_SUITE(text_utf8)

BOOST_AUTO_TEST_CASE(an_unfinished_character_is_what_more_bytes_could_complete) {
  const std::string grin = "\xf0\x9f\x98\x80";
  for (std::size_t bytes = 1; bytes < grin.size(); ++bytes) {
    BOOST_TEST(unfinished_utf8(grin.substr(0, bytes)) == bytes);
    BOOST_TEST(unfinished_utf8(std::string("a").append(grin, 0, bytes)) == bytes);
  }
  BOOST_TEST(unfinished_utf8(grin) == 0U);
  BOOST_TEST(unfinished_utf8("") == 0U);
  BOOST_TEST(unfinished_utf8("plain") == 0U);
  BOOST_TEST(unfinished_utf8("caf\xc3") == 1U);
}

BOOST_AUTO_TEST_CASE(what_nothing_can_complete_is_not_unfinished) {
  for (const char* bytes : {"\x80", "\xff", "\xc0", "\xe0\x80", "\xed\xa0", "\xf4\x90", "\xc3\xa9\xa9"})
    BOOST_TEST(unfinished_utf8(bytes) == 0U, bytes);
  BOOST_TEST(unfinished_utf8("\xe0\xa0") == 2U);
  // The first lead byte cannot go on; the second can.
  BOOST_TEST(unfinished_utf8("\xe6\xc3") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::text
