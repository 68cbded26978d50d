// Spellings of options: `-` and `_` are equal in every source, aliases, and the one name that texts have.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/options.hpp"
#include "src/core/internal/environment.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace anemll;
using test::Environment;
using test::usage_error;

namespace {

/// Names with both, and one with other names.
struct Sample {
  std::int64_t max_length = 64, batch_size = 8;
  std::optional<std::string> hub_cache;
  bool local_files_only = false, mixed_precision = true, dry_run = false;
  std::string file;
  OptionTable table;

  explicit Sample(const std::string& prefix = "ANEMLL") : table("sample", "spellings", prefix) {
    table.add("max_length", &max_length, "Tokens.", 2, 4096);
    table.add("batch-size", &batch_size, "Sequences.", 1, 4096);
    table.add("hub-cache", &hub_cache, "Folder of the hub.");
    table.add_alias("hub-cache", "cache_dir");
    table.add_flag("local_files_only", &local_files_only, "No network.");
    table.add_switch("mixed-precision", &mixed_precision, "Reduced.");
    table.add_alias("mixed-precision", "amp");
    table.add_flag("dry-run", &dry_run, "Nothing.");
    table.add_refused("wandb_project", true, "no tracking", "leave it out");
    table.add_positional("FILE", &file, "Input.", false);
  }
  OptionTable::Outcome parse(std::vector<const char*> args) {
    args.insert(args.begin(), "sample");
    return table.parse(static_cast<int>(args.size()), args.data(), false);
  }
  void read(const std::string& content) {
    const test::TempDir dir;
    const std::string path = (dir / "c.ini").string();
    write_file(path, content);
    parse({"--config-file", path.c_str()});
  }
};

std::string refused(std::vector<const char*> args) {
  return usage_error([&] { Sample().parse(std::move(args)); });
}
bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(option_names)

BOOST_AUTO_TEST_CASE(dashes_and_underscores_are_equal_on_the_command_line) {
  for (const char* word : {"--max-length", "--max_length"}) {
    Sample s;
    s.parse({word, "128"});
    BOOST_TEST(s.max_length == 128, word);
    BOOST_TEST(s.table.source("max_length") == "command line");
  }
  for (const char* word : {"--batch-size=16", "--batch_size=16"}) {
    Sample s;
    s.parse({word});
    BOOST_TEST(s.batch_size == 16, word);
  }
  Sample s;
  s.parse({"--local-files-only", "--no_mixed-precision", "--dry_run"});
  BOOST_TEST(s.local_files_only);
  BOOST_TEST(!s.mixed_precision);
  BOOST_TEST(s.dry_run);
  Sample last;  // two spellings are one option
  last.parse({"--batch-size", "2", "--batch_size", "3"});
  BOOST_TEST(last.batch_size == 3);
  Sample words;  // values and what stands behind -- are no names
  words.parse({"--hub-cache=--a_b", "--", "--batch_size"});
  BOOST_TEST(words.hub_cache.value() == "--a_b");
  BOOST_TEST(words.file == "--batch_size");
}

BOOST_AUTO_TEST_CASE(options_of_every_table_have_both_spellings) {
  test::Capture out(STDOUT_FILENO);
  Sample s;
  BOOST_TEST((s.parse({"--print_config"}) == OptionTable::Outcome::exit_ok));
  BOOST_TEST(has(out.text(), "max_length = 64"));
  const test::TempDir dir;
  const std::string path = (dir / "c.ini").string();
  write_file(path, "batch-size = 5\n");
  Sample file;
  file.parse({"--config_file", path.c_str()});
  BOOST_TEST(file.batch_size == 5);
}

BOOST_AUTO_TEST_CASE(dashes_and_underscores_are_equal_in_config_files) {
  for (const char* line : {"max_length = 128\n", "max-length = 128\n"}) {
    Sample s;
    s.read(line);
    BOOST_TEST(s.max_length == 128, line);
  }
  Sample s;
  s.read("no_mixed_precision = true\n");
  BOOST_TEST(!s.mixed_precision);
  const std::string twice = usage_error([] { Sample().read("batch_size = 1\nbatch-size = 2\n"); });
  BOOST_TEST(has(twice, "c.ini:2"));
  BOOST_TEST(has(twice, "'batch-size' is already set on line 1"));
  BOOST_TEST(has(usage_error([] { Sample().read("cache-dir = a\nhub_cache = b\n"); }),
                 "'hub-cache' is already set on line 1"));
  BOOST_TEST(has(usage_error([] { Sample().read("config_file = a\n"); }), "no meaning in a config file"));
  BOOST_TEST(has(usage_error([] { Sample().read("FILE = a\n"); }), "no meaning in a config file"));
}

BOOST_AUTO_TEST_CASE(both_spellings_have_one_variable) {
  const Environment length("ANEMLL_MAX_LENGTH", "256"), size("ANEMLL_BATCH_SIZE", "32");
  Sample s;
  s.parse({});
  BOOST_TEST(s.max_length == 256);
  BOOST_TEST(s.batch_size == 32);
}

BOOST_AUTO_TEST_CASE(texts_have_the_name_of_the_declaration) {
  BOOST_TEST(has(refused({"--max-length", "1"}), "--max_length: '1' is out of range"));
  BOOST_TEST(has(refused({"--batch_size"}), "--batch-size: needs a value"));
  BOOST_TEST(has(refused({"--batch_size", "--max-length", "3"}), "--batch-size: needs a value"));
  BOOST_TEST(has(refused({"--dry_run=yes"}), "--dry-run: takes no value"));
  BOOST_TEST(has(refused({"--wandb-project", "x"}), "--wandb_project: no tracking"));
  BOOST_TEST(has(usage_error([] { Sample().read("max-length = 1\n"); }), "c.ini:1: max_length"));
  Sample s;
  s.parse({"--max-length", "128", "--cache-dir", "hub"});
  const auto json = nlohmann::json::parse(s.table.json());
  BOOST_TEST(json.at("max_length") == 128);
  BOOST_TEST(json.at("hub-cache") == "hub");
  BOOST_TEST(!json.contains("cache_dir"));
  BOOST_TEST(s.table.given_names() == (std::vector<std::string>{"max_length", "hub-cache"}),
             boost::test_tools::per_element());
  Sample other;
  BOOST_TEST(other.table.adopt(s.table.shared_json()).size() == 2u);
  BOOST_TEST(other.hub_cache.value() == "hub");
}

BOOST_AUTO_TEST_CASE(unknown_names_are_shown_as_typed_and_find_the_nearest) {
  BOOST_TEST(has(refused({"--max-lenght", "3"}), "unknown option '--max-lenght'"));
  BOOST_TEST(has(refused({"--max-lenght", "3"}), "did you mean --max_length?"));
  BOOST_TEST(has(refused({"--cache_dri", "x"}), "did you mean --cache_dir?"));
  BOOST_TEST(has(refused({"--FILE", "x"}), "unknown option '--FILE'"));
  BOOST_TEST(has(refused({"--batch", "3"}), "did you mean --batch-size?"));  // names are never completed
}

BOOST_AUTO_TEST_CASE(an_alias_is_the_option_in_every_source) {
  for (const char* word : {"--hub-cache", "--hub_cache", "--cache_dir", "--cache-dir"}) {
    Sample s;
    s.parse({word, "there"});
    BOOST_TEST(s.hub_cache.value() == "there", word);
    BOOST_TEST(s.table.given("hub-cache"));
  }
  Sample file;
  file.read("cache_dir = there\n");
  BOOST_TEST(file.hub_cache.value() == "there");
  Sample amp;
  amp.parse({"--no-amp"});
  BOOST_TEST(!amp.mixed_precision);
  const Environment variable("ANEMLL_CACHE_DIR", "there");
  Sample s;
  s.parse({});
  BOOST_TEST(s.hub_cache.value() == "there");
  BOOST_TEST(s.table.source("hub-cache") == "environment ANEMLL_CACHE_DIR");
  const Environment second("ANEMLL_HUB_CACHE", "elsewhere");
  const std::string both = usage_error([] { Sample().parse({}); });
  BOOST_TEST(has(both, "two variables set --hub-cache"));
  BOOST_TEST(has(both, "ANEMLL_HUB_CACHE, ANEMLL_CACHE_DIR"));
}

BOOST_AUTO_TEST_CASE(the_variable_of_an_alias_is_known) {
  Sample s;
  TableSpec table;
  table.program = "sample";
  table.environment_prefix = "ANEMLL";
  OptionSpec option;
  option.name = "hub-cache";
  option.aliases = {"cache_dir"};
  option.target = &s.hub_cache;
  table.options.push_back(option);
  const char* const entries[] = {"ANEMLL_CACHE_DIR=x", nullptr};
  const std::vector<EnvironmentNotice> notices = environment_notices(table, entries);
  BOOST_REQUIRE_EQUAL(notices.size(), 1u);
  BOOST_TEST(notices[0].text == "options are taken from the environment: ANEMLL_CACHE_DIR");
}

BOOST_AUTO_TEST_CASE(names_of_other_trainers_are_suggested_as_ours) {
  for (const char* word : {"--seq-len", "--max_seq_length", "--block-size"})
    BOOST_TEST(has(refused({word, "5"}), "did you mean --max_length? "));
  const std::string batch = refused({"--per-device-train-batch-size=4"});
  BOOST_TEST(has(batch, "did you mean --batch-size? It counts the sequences of all ranks together."));
  BOOST_TEST(!has(refused({"--learning-rate", "1"}), "--lr"));  // this program has none
  const std::string line = usage_error([] { Sample().read("train_batch_size = 4\n"); });
  BOOST_TEST(has(line, "did you mean batch-size?"));

  Sample s;
  TableSpec table;
  table.program = "sample";
  table.environment_prefix = "ANEMLL";
  OptionSpec option;
  option.name = "max-steps";
  option.target = &s.max_length;
  table.options.push_back(option);
  const char* const entries[] = {"ANEMLL_NUM_TRAIN_EPOCHS=3", nullptr};
  const std::vector<EnvironmentNotice> notices = environment_notices(table, entries);
  BOOST_REQUIRE_EQUAL(notices.size(), 1u);
  BOOST_TEST(has(notices[0].text, "did you mean ANEMLL_MAX_STEPS?"));
}

// The option reference has every option of every program.
BOOST_AUTO_TEST_CASE(each_of_them_means_an_option_that_there_is) {
  const std::string reference = read_text(std::filesystem::path(ANEMLL_SOURCE_DIR) / "src/manual/options.md");
  std::set<std::pair<std::string, std::string>> rows;
  for (const OtherName& row : other_trainers_names()) {
    BOOST_TEST(has(reference, "`--" + std::string(row.ours)));
    BOOST_TEST(rows.emplace(row.theirs, row.ours).second, "twice: " << row.theirs);
    BOOST_TEST(row.theirs.find('_') == std::string_view::npos, row.theirs);
  }
}

BOOST_AUTO_TEST_CASE(help_shows_aliases) {
  Sample s;
  std::string flat;
  for (const char c : s.table.help()) {
    if (c != '\n' && (c != ' ' || flat.empty() || flat.back() != ' ')) flat += c;
    if (c == '\n' && !flat.empty() && flat.back() != ' ') flat += ' ';
  }
  BOOST_TEST(has(flat, "--hub-cache DIR Folder of the hub. (also --cache_dir)"));
  BOOST_TEST(has(flat, "(default on; also --amp)"));
  BOOST_TEST(has(flat, "- and _ are equal in names"));
  BOOST_TEST(!has(flat, "--max-length"));
  BOOST_TEST(has(s.table.markdown(), "Folder of the hub. Also --cache_dir."));
}

BOOST_AUTO_TEST_CASE(equal_names_in_one_table_are_our_own_mistake) {
  for (const char* prefix : {"ANEMLL", ""}) {
    Sample s(prefix);
    for (const char* name : {"max-length", "max_length", "batch_size", "cache-dir", "cache_dir", "hub_cache",
                             "no_mixed_precision", "no-amp", "config_file"}) {
      BOOST_CHECK_THROW(s.table.add(name, &s.file, ""), std::logic_error);
      BOOST_CHECK_THROW(s.table.add_alias("dry-run", name), std::logic_error);
    }
    bool flag = false;
    BOOST_CHECK_THROW(s.table.add_switch("max_length", &flag, ""), std::logic_error);
    s.table.add_flag("no-checks", &flag, "");
    BOOST_CHECK_THROW(s.table.add_switch("checks", &flag, ""), std::logic_error);
    BOOST_CHECK_THROW(s.table.add_alias("nothing", "other"), std::logic_error);
    BOOST_CHECK_THROW(s.table.add_alias("dry-run", "two words"), std::logic_error);
  }
}

BOOST_AUTO_TEST_SUITE_END()
