// Choices: an enum, the one table of its words, and what an option makes of both.
#include "anemll/core/choices.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/options.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;

namespace {

enum class Metal { iron, copper, gold };
// Not in the order of the enum: rows are not values.
constexpr auto kMetals = std::to_array<Choice<Metal>>({{Metal::gold, "gold"}, {Metal::iron, "iron-ore"}});
constexpr std::span<const Choice<Metal>> choices_of(Metal) {
  return kMetals;
}

struct Sample {
  Metal metal = Metal::gold;
  OptionTable table{"sample", "metals", ""};
  Sample() { table.add_choice("metal", &metal, "What to melt."); }
  void parse(std::vector<const char*> args) {
    args.insert(args.begin(), "sample");
    table.parse(static_cast<int>(args.size()), args.data(), false);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_choices)

BOOST_AUTO_TEST_CASE(words_and_values_of_a_table) {
  BOOST_TEST(choice_name(Metal::iron) == "iron-ore");
  BOOST_TEST((choice_named<Metal>("gold") == Metal::gold));
  BOOST_TEST((choice_named<Metal>("iron-ore") == Metal::iron));
  for (const char* word : {"iron", "Gold", "", "copper"}) BOOST_TEST(!choice_named<Metal>(word), word);
  BOOST_CHECK_THROW(choice_name(Metal::copper), std::logic_error);
}

BOOST_AUTO_TEST_CASE(an_option_takes_words_and_stores_values) {
  Sample s;
  s.parse({"--metal", "iron-ore"});
  BOOST_TEST((s.metal == Metal::iron));
  BOOST_TEST(nlohmann::json::parse(s.table.json()).at("metal") == "iron-ore");
  Sample other;
  const auto differences = other.table.adopt(s.table.shared_json());
  BOOST_REQUIRE_EQUAL(differences.size(), 1u);
  BOOST_TEST(differences[0].here == "gold");
  BOOST_TEST(differences[0].there == "iron-ore");
  BOOST_TEST((other.metal == Metal::iron));
  const std::string help = s.table.help();
  BOOST_TEST(help.find("--metal NAME") != std::string::npos, help);
  BOOST_TEST(help.find("(gold | iron-ore; default gold)") != std::string::npos, help);
}

BOOST_AUTO_TEST_CASE(other_words_are_refused_and_change_nothing) {
  for (const char* word : {"iron_ore", "copper", "GOLD", "gol", " gold"}) {
    Sample s;
    try {
      s.parse({"--metal", word});
      BOOST_ERROR("no error");
    } catch (const Error& e) {
      const std::string text = e.what();
      BOOST_TEST((e.code() == ExitCode::usage));
      BOOST_TEST(text.find("is not one of gold | iron-ore") != std::string::npos, text);
      BOOST_TEST(text.find("the default is gold") != std::string::npos, text);
    }
    BOOST_TEST((s.metal == Metal::gold));
  }
}

BOOST_AUTO_TEST_CASE(a_default_without_a_word_is_our_own_mistake) {
  Metal metal = Metal::copper;
  OptionTable table("sample", "metals", "");
  BOOST_CHECK_THROW(table.add_choice("metal", &metal, ""), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
