// The command that an option table gives back: words that set the same again.
#include "anemll/core/file.hpp"
#include "anemll/core/options.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using anemll::OptionTable;
namespace test = anemll::test;
using Words = std::vector<std::string>;

namespace {

struct Sample {
  std::string cache_dir, token, first;
  double lr = 5e-5;
  std::optional<std::int64_t> rank;
  std::int64_t batch = 8;
  Words texts, models;
  bool fast = false, mixed = true, plain = true;
  OptionTable table{"sample", "A program.", "ANEMLL_COMMAND_TEST"};

  Sample() {
    table.add("cache-dir", &cache_dir, "A folder.");
    table.add("token", &token, "A secret.");
    table.mark_own("token");
    table.add("lr", &lr, "A rate.", 0, 1);
    table.add("rank", &rank, "A rank.", 0, 64);
    table.add("batch", &batch, "Sequences.", 1, 64);
    table.add_word("batch", "auto", 0);
    table.add("text", &texts, "Texts.");
    table.add_flag("fast", &fast, "A flag.");
    table.add_switch("mixed", &mixed, "A switch.");
    table.add_switch("plain", &plain, "Another.");
    table.add_refused("old", false, "it is gone", "drop it");
    table.add_positional("FIRST", &first, "The first.", false);
    table.add_positional("MODEL", &models, "Any number.", false);
  }
  void parse(const Words& words) {
    std::vector<const char*> args = {"sample"};
    for (const std::string& word : words) args.push_back(word.c_str());
    BOOST_REQUIRE((table.parse(static_cast<int>(args.size()), args.data()) == OptionTable::Outcome::run));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(core_option_command)

BOOST_AUTO_TEST_CASE(the_command_sets_the_same_again) {
  const test::TempDir dir;
  anemll::write_file(dir / "file.ini", "lr = 0.001\nplain = true\n");
  Sample s;
  {
    const test::Environment rank("ANEMLL_COMMAND_TEST_RANK", "4");
    s.parse({"in put", "m 1", "m2", "--config-file", (dir / "file.ini").string(), "--batch", "auto", "--fast",
             "--no-mixed", "--cache-dir=-it's", "--text", "a b", "--text=--c"});
  }
  const Words command = s.table.command();
  const Words wanted = {
      "sample", "--cache-dir=-it's", "--lr",   "0.001",      "--rank",  "4",      "--batch", "auto", "--text",
      "a b",    "--text=--c",        "--fast", "--no-mixed", "--plain", "in put", "m 1",     "m2"};
  BOOST_TEST(command == wanted, boost::test_tools::per_element());
  Sample again;
  again.parse(Words(command.begin() + 1, command.end()));
  BOOST_TEST(again.table.json() == s.table.json());
}

BOOST_AUTO_TEST_CASE(what_nobody_set_and_what_is_a_rank_s_own_have_no_word) {
  const test::TempDir dir;
  anemll::write_file(dir / "file.ini", "fast = false\n");
  Sample s;
  s.parse({"--token", "secret", "--config-file", (dir / "file.ini").string()});
  BOOST_TEST((s.table.command() == Words{"sample"}));
}

BOOST_AUTO_TEST_SUITE_END()
