// A table with one option of every kind, as its program tells it, and the texts made of that.
#include "src/manual/manual.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/options.hpp"
#include "tests/support/capture.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

namespace anemll::test {
namespace {

enum class Order { shuffle, sequential };
constexpr auto kOrders =
    std::to_array<Choice<Order>>({{Order::shuffle, "shuffle"}, {Order::sequential, "sequential"}});
constexpr std::span<const Choice<Order>> choices_of(Order) {
  return kOrders;
}

std::string described(const std::string& program) {
  std::string text, input;
  std::int64_t count = 8, batch = 1;
  bool flag = false, toggle = true;
  Order order = Order::shuffle;
  std::vector<std::string> list;
  OptionTable table(program, "Says 'this' and that: [all].");
  table.add("text", &text, "A \\ and it's.");
  table.add("count", &count, ".starts with a dot; more", 1, 9);
  table.add("batch", &batch, "How many.", 1, 9);
  table.add_word("batch", "auto", 0);
  table.add_choice("the_order", &order, "Which one.");
  table.add_alias("the_order", "sort");
  table.group("Others");
  table.add("data-dir", &list, "Where.");
  table.add_flag("quick", &flag, "No work.");
  table.add_switch("mixed", &toggle, "Both.");
  table.add_refused("gone", true, "it is gone", "leave it out");
  table.add_positional("INPUT", &input, "What to read.", true);
  Capture out(STDOUT_FILENO);
  const std::array<const char*, 2> words = {"program", "--help=json"};
  BOOST_REQUIRE((table.parse(2, words.data()) == OptionTable::Outcome::exit_ok));
  return out.text();
}

ProgramManual plain() {
  return read_manual(described("sample"), "sample");
}

ProgramManual with_commands() {
  return read_manual(
      "{\"program\":\"sample\",\"usage\":\"sample: does two jobs\\n\\n  one   first\\n\",\"commands\":[]}\n" +
          described("sample one") + described("sample two-words"),
      "sample");
}

/// Whether `text` has the part once or more; says where not.
bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

const std::vector<std::string> kTyped = {
    "--text",  "--count",    "--batch",       "--the_order", "--sort",    "--quick",       "--data-dir",
    "--mixed", "--no-mixed", "--config-file", "--help",      "--version", "--print-config"};

}  // namespace

BOOST_AUTO_TEST_SUITE(manual)

BOOST_AUTO_TEST_CASE(a_table_is_read_as_it_was_told) {
  const ProgramManual manual = plain();
  BOOST_TEST(manual.usage.empty());
  BOOST_REQUIRE(manual.pages.size() == 1u);
  BOOST_TEST(manual.summary() == "Says 'this' and that: [all].");
  BOOST_TEST(manual.pages[0].command().empty());
  std::vector<std::string> typed;
  for (const OptionText& option : manual.pages[0].options) {
    if (option.kind == "refused") continue;
    for (std::string& spelling : option.spellings()) typed.push_back(std::move(spelling));
  }
  std::vector<std::string> wanted = kTyped;
  std::sort(wanted.begin(), wanted.end());
  std::sort(typed.begin(), typed.end());
  BOOST_TEST(typed == wanted, boost::test_tools::per_element());
  const ProgramManual commands = with_commands();
  BOOST_TEST(commands.summary() == "does two jobs");
  BOOST_REQUIRE(commands.pages.size() == 2u);
  BOOST_TEST(commands.pages[1].command() == "two-words");
}

BOOST_AUTO_TEST_CASE(what_is_no_table_is_refused) {
  for (const char* text :
       {"", "Usage: none\n", "{\"program\":1}\n", "{}\n", "{\"usage\":\"\",\"commands\":[]}\n"}) {
    BOOST_CHECK_EXCEPTION(read_manual(text, "sample"), Error, [](const Error& e) {
      return e.code() == ExitCode::data && e.where() == "sample" && has(e.hint(), "another build");
    });
  }
}

BOOST_AUTO_TEST_CASE(a_man_page_has_every_option_and_no_stray_request) {
  const std::string page = man_page(plain(), "1.2");
  BOOST_TEST(page.starts_with(".TH \"SAMPLE\" \"1\" \"\" \"anemll_train 1.2\""));
  BOOST_TEST(has(page, "sample \\- Says 'this' and that: [all]\n"));
  for (const char* name : {"text", "count", "the_order", "quick", "gone", "config\\-file"})
    BOOST_TEST(has(page, std::string("\\fB\\-\\-") + name));
  BOOST_TEST(has(page, "\\fB\\-\\-[no\\-]mixed\\fR\n"));
  BOOST_TEST(has(page, "\\fB\\-\\-count\\fR \\fIN\\fR\n\\&.starts with a dot; more (1 to 9; default 8)\n"));
  BOOST_TEST(has(page, "A \\e and it's.\n"));
  BOOST_TEST(has(page, "also \\-\\-sort"));
  BOOST_TEST(has(page, ".SH \"EXIT STATUS\""));
  BOOST_TEST(has(page, "(not available: it is gone)"));
  // The groups stand in one piece each, though General's options come first in the table.
  BOOST_TEST(page.find(".SS \"Others\"") == page.rfind(".SS \"Others\""));
}

BOOST_AUTO_TEST_CASE(commands_stand_in_the_page_of_their_program) {
  const std::string page = man_page(with_commands(), "1.2");
  BOOST_TEST(has(page, "sample \\- does two jobs\n"));
  BOOST_TEST(has(page, ".nf\nsample: does two jobs\n"));
  BOOST_TEST(has(page, ".SH \"SAMPLE ONE\"\n"));
  BOOST_TEST(has(page, ".SH \"SAMPLE TWO\\-WORDS\"\n"));
}

BOOST_AUTO_TEST_CASE(completions_offer_every_option_but_the_refused_ones) {
  const std::string bash = bash_completion(plain()), zsh = zsh_completion(plain()),
                    fish = fish_completion(plain());
  for (const std::string& word : kTyped) {
    BOOST_TEST(has(bash, " " + word));
    BOOST_TEST(has(zsh, (word == "--data-dir" ? "'*" : "'") + word));
    BOOST_TEST(has(fish, " -l " + word.substr(2) + " "));
  }
  for (const std::string& text : {bash, zsh, fish}) BOOST_TEST(text.find("gone") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(completions_know_what_a_value_is) {
  const std::string bash = bash_completion(plain());
  BOOST_TEST(has(bash, "' --count') echo 'number'"));
  BOOST_TEST(has(bash, "' --batch') echo 'auto'"));
  BOOST_TEST(has(bash, "' --the-order' | ' --sort') echo 'shuffle sequential'"));
  BOOST_TEST(has(bash, "' --data-dir') echo 'file'"));
  BOOST_TEST(!has(bash, "' --quick')"));
  BOOST_TEST(has(bash_completion(with_commands()), "'two-words --count') echo 'number'"));
  const std::string zsh = zsh_completion(plain());
  BOOST_TEST(has(zsh, ":NAME:(shuffle sequential)'"));
  BOOST_TEST(has(zsh, "'--text=[A \\\\ and it'\\''s.]:TEXT:_files'"));
  const std::string fish = fish_completion(plain());
  BOOST_TEST(has(fish, "-l sort -x -a 'shuffle sequential'"));
  BOOST_TEST(has(fish, "-l count -x -d '.starts with a dot'\n"));
  BOOST_TEST(has(fish, "-l text -r -F -d 'A \\\\ and it\\'s.'"));
}

BOOST_AUTO_TEST_CASE(names_that_start_programs_are_offered) {
  ProgramManual front = with_commands();
  front.starts = {{"train", "sample_train"}, {"a_script", ""}};
  BOOST_TEST(has(bash_completion(front), "echo 'one two-words train a_script help --help --version'"));
  BOOST_TEST(has(bash_completion(front), "train) _sample_start sample_train"));
  BOOST_TEST(has(zsh_completion(front), "words[1]=sample_train; _normal"));
  BOOST_TEST(has(fish_completion(front), "-a a_script\n"));
  BOOST_TEST(has(man_page(front, "1.2"), "\\fBsample_train\\fR(1)"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
