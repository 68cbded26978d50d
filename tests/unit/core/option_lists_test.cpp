// Options that take any number of values: where each comes from, and what ranks and texts make of them.
#include "anemll/core/options.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using anemll::OptionTable;
namespace test = anemll::test;
using Words = std::vector<std::string>;

namespace {

struct Sample {
  Words models, texts;
  std::string first;
  OptionTable table{"lists", "A program.", "ANEMLL_LISTS_TEST"};

  Sample() {
    table.add_positional("FIRST", &first, "The first.", true);
    table.add_positional("MODEL", &models, "Any number.", false);
    table.add("text", &texts, "A text.");
    table.mark_path("text");
  }
  OptionTable::Outcome parse(std::vector<const char*> args) {
    args.insert(args.begin(), "lists");
    return table.parse(static_cast<int>(args.size()), args.data());
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_option_lists)

BOOST_AUTO_TEST_CASE(every_value_of_the_line_is_kept_in_its_order) {
  Sample s;
  s.parse({"a", "b", "--text", "x", "c d", "--text=y"});
  BOOST_TEST(s.first == "a");
  BOOST_TEST((s.models == Words{"b", "c d"}));
  BOOST_TEST((s.texts == Words{"x", "y"}));
  BOOST_TEST(s.table.given("text"));
  Sample none;
  none.parse({"a"});
  BOOST_TEST((none.models.empty() && none.texts.empty()));
  BOOST_TEST(!none.table.given("MODEL"));
}

BOOST_AUTO_TEST_CASE(a_source_that_counts_more_begins_a_new_list) {
  const test::TempDir dir;
  std::ofstream(dir / "file.ini") << "text = from_file\n";
  const std::string file = (dir / "file.ini").string();
  Sample s;
  s.parse({"a", "--config-file", file.c_str()});
  BOOST_TEST((s.texts == Words{"from_file"}));
  const test::Environment variable("ANEMLL_LISTS_TEST_TEXT", "from_environment");
  Sample t;
  t.parse({"a", "--config-file", file.c_str()});
  BOOST_TEST((t.texts == Words{"from_environment"}));
  Sample u;
  u.parse({"a", "--config-file", file.c_str(), "--text", "x", "--text", "y"});
  BOOST_TEST((u.texts == Words{"x", "y"}));
}

BOOST_AUTO_TEST_CASE(another_rank_takes_the_whole_list) {
  Sample s;
  s.parse({"a", "b", "c d", "--text", "x"});
  Sample other;
  other.parse({"a", "z", "--text", "x"});
  const auto differences = other.table.adopt(s.table.shared_json());
  BOOST_TEST(differences.size() == 1u);
  BOOST_TEST((other.models == Words{"b", "c d"}));
  BOOST_TEST((other.texts == Words{"x"}));
  Sample empty;
  empty.parse({"a"});
  other.table.adopt(empty.table.shared_json());
  BOOST_TEST((other.models.empty() && other.texts.empty()));
}

BOOST_AUTO_TEST_CASE(texts_show_lists) {
  Sample s;
  s.parse({"a", "b", "--text", "x", "--text", "y"});
  BOOST_TEST(has(s.table.help(), "FIRST [MODEL ...]"), s.table.help());
  BOOST_TEST(has(s.table.json(), R"("text":["x","y"])"), s.table.json());
  BOOST_TEST(has(s.table.resolved(), "# text = x y"), s.table.resolved());  // no config file can say it
  BOOST_TEST(has(test::usage_error([] { Sample().parse({"a", "--text", ""}); }), "text"));
}

BOOST_AUTO_TEST_SUITE_END()
