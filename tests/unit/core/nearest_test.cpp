// The known word that a mistyped one means.
#include "src/core/nearest.hpp"

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(core_nearest)

BOOST_AUTO_TEST_CASE(edit_distance_counts_a_swap_as_one) {
  using anemll::edit_distance;
  BOOST_TEST(edit_distance("batch", "btach") == 1u);
  BOOST_TEST(edit_distance("", "abc") == 3u);
  BOOST_TEST(edit_distance("kitten", "sitting") == 3u);
  BOOST_TEST(edit_distance("same", "same") == 0u);
  BOOST_TEST(edit_distance("lr", "rl") == 1u);
}

BOOST_AUTO_TEST_CASE(the_nearest_word_is_near) {
  const std::vector<std::string> known = {"train", "train_v1", "tokenize", "two_bit"};
  using anemll::nearest_word;
  BOOST_TEST(nearest_word("trian", known) == "train");
  BOOST_TEST(nearest_word("train-v2", known) == "train_v1");
  BOOST_TEST(nearest_word("two-bits", known) == "two_bit");
  BOOST_TEST(nearest_word("token", known) == "tokenize");  // its beginning
  BOOST_TEST(nearest_word("export", known).empty());
  BOOST_TEST(nearest_word("train", {}).empty());
}

BOOST_AUTO_TEST_SUITE_END()
