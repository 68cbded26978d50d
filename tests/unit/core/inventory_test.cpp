// What is told of parts that are not used: one line per kind and reason.
#include "anemll/core/inventory.hpp"

#include "anemll/core/error.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

BOOST_AUTO_TEST_SUITE(inventory)

BOOST_AUTO_TEST_CASE(equal_entries_add_up_and_reasons_stay_apart) {
  Inventory parts;
  parts.add(Fate::used, "role", "user", {}, 7);
  parts.add(Fate::left_out, "role", "critic", "no rule names it", 2);
  parts.add(Fate::left_out, "role", "critic", "no rule names it");
  parts.add(Fate::left_out, "tensor", "b.bias", "the config has no bias");
  parts.add(Fate::left_out, "tensor", "a.bias", "the config has no bias");
  BOOST_TEST(parts.count(Fate::used) == 7);
  BOOST_TEST(parts.count(Fate::left_out) == 5);
  const std::vector<std::string> expected = {"not used: 3 roles (critic x 3): no rule names it",
                                             "not used: 2 tensors (a.bias, b.bias): the config has no bias"};
  BOOST_TEST(parts.left_out_lines() == expected, boost::test_tools::per_element());
  BOOST_TEST(parts.json() == R"({"used":{"role":{"user":7}},"compared":{},)"
                             R"("left_out":{"role":{"critic":3},"tensor":{"a.bias":1,"b.bias":1}}})");
}

BOOST_AUTO_TEST_CASE(the_noun_of_a_kind_takes_the_plural) {
  Inventory parts;
  for (const char* name : {"a", "b"}) {
    parts.add(Fate::left_out, "entry of the index", name);
    parts.add(Fate::left_out, "key of config.json", name);
  }
  const std::vector<std::string> expected = {"not used: 2 entries of the index (a, b)",
                                             "not used: 2 keys of config.json (a, b)"};
  BOOST_TEST(parts.left_out_lines() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(many_names_are_cut_and_terminals_are_safe) {
  Inventory parts;
  for (char c = 'a'; c <= 'i'; ++c) parts.add(Fate::left_out, "file", std::string("\x1b[2J") += c);
  const auto lines = parts.left_out_lines();
  BOOST_REQUIRE(lines.size() == 1);
  BOOST_TEST(lines[0].find('\x1b') == std::string::npos);
  BOOST_TEST(lines[0].find("(9 names)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(strict_makes_it_an_error_and_nothing_left_out_is_silent) {
  Inventory parts;
  parts.add(Fate::compared, "tensor", "lm_head.weight");
  parts.add(Fate::compared, "config key", "tie_word_embeddings", "the file has a head of its own");
  BOOST_TEST(parts.left_out_lines().empty());
  BOOST_CHECK_NO_THROW(parts.tell("model", true));  // a warning, which the log shows
  Inventory more;
  more.add(Fate::left_out, "field", "history", "the format has no place for it");
  parts.add(more);
  BOOST_CHECK_NO_THROW(parts.tell("model", false));
  BOOST_CHECK_EXCEPTION(parts.tell("model", true), Error, [](const Error& error) {
    return error.code() == ExitCode::data && error.problem().find("history") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace anemll
