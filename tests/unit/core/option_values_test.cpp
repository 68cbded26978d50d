// Values as people write them: quotes, comments, ~, byte order marks, odd bytes; variables that are nearly
// ours; options that ranks share.
#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "anemll/core/options.hpp"
#include "src/core/internal/environment.hpp"
#include "src/core/internal/option_spec.hpp"
#include "src/core/internal/value_text.hpp"
#include "src/core/printable.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

using namespace anemll;
using test::usage_error;

namespace {

enum class Order { shuffle, sequential };
constexpr auto kOrders =
    std::to_array<Choice<Order>>({{Order::shuffle, "shuffle"}, {Order::sequential, "sequential"}});
constexpr std::span<const Choice<Order>> choices_of(Order) {
  return kOrders;
}

struct Sample {
  std::string cache_dir = "cache", note;
  Order order = Order::shuffle;
  std::int64_t batch_size = 8, threads = 0;
  std::optional<double> end;
  std::optional<std::string> text;
  OptionTable table{"sample", "values"};

  Sample() {
    table.add("cache-dir", &cache_dir, "Folder.");
    table.add("note", &note, "Text.");
    table.add_choice("order", &order, "Order.");
    table.add("batch-size", &batch_size, "Number.", 1, 4096);
    table.add("threads", &threads, "Number.", 0, 4096);
    table.add("end", &end, "Number.", 0.0, 1.0);
    table.add("eval-text", &text, "File.");
    table.mark_path("cache-dir");
    table.mark_path("eval-text");
    table.mark_own("threads");
  }
  void parse(std::vector<const char*> args) {
    args.insert(args.begin(), "sample");
    table.parse(static_cast<int>(args.size()), args.data());
  }
  void file(const std::string& content) {
    const test::TempDir dir;
    const std::string path = (dir / "c.ini").string();
    write_file(path, content);
    parse({"--config-file", path.c_str()});
  }
};

std::string refused_file(const std::string& content) {
  return usage_error([&] { Sample().file(content); });
}
std::string refused_word(const std::string& word) {
  return usage_error([&] { Sample().parse({"--cache-dir", word.c_str()}); });
}
bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

struct Home {
  explicit Home(const char* home) : before(std::getenv("HOME")) { ::setenv("HOME", home, 1); }
  ~Home() { ::setenv("HOME", before.c_str(), 1); }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  std::string before;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(option_values)

BOOST_AUTO_TEST_CASE(config_values_as_people_write_them) {
  const struct {
    const char* line;
    const char* value;
  } cases[] = {
      {"cache-dir = /data/a", "/data/a"},
      {"cache-dir = \"/data/my cache\"", "/data/my cache"},
      {"cache-dir = '/data/my cache'  # note", "/data/my cache"},
      {"cache-dir=/data/run#3", "/data/run#3"},
      {"cache-dir = /data/run #3", "/data/run"},
      {"cache-dir = \"/data/run #3\"", "/data/run #3"},
      {"cache-dir = '/data/#3' #4", "/data/#3"},
      {"cache-dir = /data/it's", "/data/it's"},
      {"cache-dir = \"/data/a \\\"b\\\"\"", "/data/a \"b\""},
      {"cache-dir = '/data/a\\b'", "/data/a\\b"},
      {"cache-dir = /data/a=b", "/data/a=b"},
      {"  cache-dir\t=\t/data/tab\t", "/data/tab"},
      {"cache-dir = /data/crlf\r", "/data/crlf"},
      {"cache-dir = /data/\xc3\xa9t\xc3\xa9", "/data/\xc3\xa9t\xc3\xa9"},
  };
  for (const auto& c : cases) {
    Sample s;
    s.file(std::string("# comment\n\n") + c.line + "\n");
    BOOST_TEST(s.cache_dir == c.value, c.line);
  }
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_is_no_part_of_the_first_name) {
  Sample s;
  s.file(
      "\xef\xbb\xbf"
      "batch-size = 2\r\n");
  BOOST_TEST(s.batch_size == 2);
  BOOST_TEST(has(refused_file(std::string("\xff\xfe"
                                          "b\0a\0",
                                          6)),
                 "UTF-16"));
  BOOST_TEST(has(refused_file(std::string("b\0", 2)), "not text"));
  BOOST_TEST(has(refused_file("note = caf\xe9\n"), "not UTF-8"));
}

BOOST_AUTO_TEST_CASE(odd_lines_name_file_and_line) {
  BOOST_TEST(has(refused_file("\nnote = \"open\n"), "c.ini:2"));
  BOOST_TEST(has(refused_file("note = \"open\n"), "never closed"));
  BOOST_TEST(has(refused_file("note = 'a' b\n"), "follows the closing quote"));
  BOOST_TEST(has(refused_file("note = 'a'#b\n"), "follows the closing quote"));
  BOOST_TEST(has(refused_file("note = \xe2\x80\x9c"
                              "a\xe2\x80\x9d\n"),
                 "typographic quotes"));
  BOOST_TEST(has(refused_file("note # = a\n"), "name = value"));
  BOOST_TEST(has(refused_file("= a\n"), "name = value"));
  BOOST_TEST(has(refused_file("cache-dir = ''\n"), "is empty"));
  BOOST_TEST(has(refused_file("batch-size = 8#9\n"), "'8#9' is not a whole number"));
}

BOOST_AUTO_TEST_CASE(home_is_expanded_where_a_path_is_meant) {
  const Home home("/HOME/me");
  for (const char* form : {"cache-dir = ~/c\n", "cache-dir = '~/c'\n"}) {
    Sample s;
    s.file(form);
    BOOST_TEST(s.cache_dir == "/HOME/me/c", form);
  }
  Sample line;
  line.parse({"--cache-dir=~/c", "--note=~/c", "--eval-text", "~"});
  BOOST_TEST(line.cache_dir == "/HOME/me/c");
  BOOST_TEST(line.note == "~/c");
  BOOST_TEST(line.text.value() == "/HOME/me");
  ::setenv("ANEMLL_CACHE_DIR", "~/e", 1);
  Sample environment;
  environment.parse({});
  ::unsetenv("ANEMLL_CACHE_DIR");
  BOOST_TEST(environment.cache_dir == "/HOME/me/e");
  BOOST_TEST(has(refused_word("~no-such-user-here/x"), "home folder of a user"));
  Sample inside;
  inside.parse({"--cache-dir", "a~/b"});
  BOOST_TEST(inside.cache_dir == "a~/b");
}

BOOST_AUTO_TEST_CASE(values_that_no_option_has) {
  BOOST_TEST(has(refused_word(""), "variable of the shell"));
  BOOST_TEST(has(refused_word("'/data'"), "quotes that the shell did not take away"));
  BOOST_TEST(has(refused_word("/data "), "white space at an end"));
  BOOST_TEST(has(refused_word("/data\r"), "line ends of Windows"));
  BOOST_TEST(has(refused_word("/data\r"), "/data\\x0D"));
  BOOST_TEST(has(refused_word("/data\n/b"), "control character"));
  BOOST_TEST(has(refused_word("caf\xe9"), "'caf\\xE9' is not UTF-8"));
  BOOST_TEST(has(usage_error([] { Sample().parse({"--note", "\xff"}); }), "is not UTF-8"));
  BOOST_TEST(has(usage_error([] { Sample().parse({"--batch-size", "8\r"}); }), "line ends of Windows"));
  for (const char* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"})
    BOOST_TEST(!valid_utf8(bad), printable(bad));
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf"})
    BOOST_TEST(valid_utf8(good), good);
}

BOOST_AUTO_TEST_CASE(printed_values_read_back) {
  for (const char* value : {"plain", "run #3", "run#3", "#3", "'quoted'", "\"double\"", "it's #1",
                            "back\\slash", "\"a\\\" #'b'", "\xe2\x80\x9cx\xe2\x80\x9d", "a = b"}) {
    Sample s;
    test::Capture out(STDOUT_FILENO);
    s.parse({"--note", value, "--print-config"});
    const std::string printed = out.text();
    Sample back;
    back.file(printed);
    BOOST_TEST(back.note == value, printed);
  }
}

BOOST_AUTO_TEST_CASE(a_path_without_a_value_is_printed_as_a_comment) {
  Sample s;
  s.cache_dir.clear();  // a default that says: none
  const std::string printed = s.table.resolved();
  BOOST_TEST(has(printed, "\n# cache-dir =   # not set\n"), printed);
  BOOST_TEST(has(printed, "\nnote =   # default\n"), printed);
  Sample back;
  back.file(printed);
  BOOST_TEST(!back.table.given("cache-dir"));
}

BOOST_AUTO_TEST_CASE(ranks_take_over_what_they_share) {
  Sample first, other;
  first.parse({"--cache-dir", "a", "--batch-size", "2", "--threads", "3", "--end", "0.1"});
  other.parse({"--cache-dir", "b", "--order", "sequential", "--threads", "4", "--eval-text", "t"});
  const auto differences = other.table.adopt(first.table.shared_json());
  BOOST_TEST(other.cache_dir == "a");
  BOOST_TEST(other.batch_size == 2);
  BOOST_TEST((other.order == Order::shuffle));
  BOOST_TEST(other.threads == 4);  // a rank's own
  BOOST_TEST(other.end.value() == 0.1);
  BOOST_TEST(!other.text.has_value());
  BOOST_TEST(other.table.given("batch-size"));
  BOOST_TEST(!other.table.given("order"));
  std::vector<std::string> names;
  names.reserve(differences.size());
  for (const auto& d : differences) names.push_back(d.name);
  const std::vector<std::string> expected = {"cache-dir", "order", "batch-size", "end", "eval-text"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  BOOST_TEST(differences[0].here == "b");
  BOOST_TEST(differences[0].there == "a");
  BOOST_TEST(differences[0].source == "command line");
  BOOST_TEST(differences[3].here == "not set");
  BOOST_TEST(other.table.adopt(first.table.shared_json()).empty());
}

BOOST_AUTO_TEST_CASE(misspelt_variables_are_told) {
  TableSpec table;
  table.program = "sample";
  table.environment_prefix = "ANEMLL";
  for (const char* name : {"batch-size", "cache-dir", "lr", "accumulation-steps", "model-id", "eval-steps",
                           "save-steps", "clip-grad-norm"}) {
    OptionSpec o;
    o.name = name;
    if (o.name == "clip-grad-norm") o.help = "limit of the global gradient norm; 0 disables";
    table.options.push_back(o);
  }
  const auto notices = [&](std::vector<const char*> environment) {
    environment.push_back(nullptr);
    return environment_notices(table, environment.data());
  };
  BOOST_TEST(notices({"PATH=/bin", "ANEMLL_BATCHSIZE=", "ANEMLL_LOG_LEVEL=debug", "ANEMLL_DEPS_DIR=/x",
                      "ANEMLL_PRECOMPUTE_BATCHSIZE=3", "ANEMLL_DRIVE=/d", "ANEMLL_CACHES=c",
                      "ANEMLL_GFLOPS=9", "ANEMLL_LOCK_WAIT_S=1"})
                 .empty());
  for (const char* variable :
       {"ANEMLL_BATCHSIZE=1", "ANEMLL_BATCH_SZIE=1", "anemll_batch_size=1", "ANEMLL_BACH_SIZE=1"}) {
    const auto told = notices({variable});
    BOOST_REQUIRE_MESSAGE(told.size() == 1, variable);
    BOOST_TEST(told[0].misspelt);
    BOOST_TEST(has(told[0].text, "did you mean ANEMLL_BATCH_SIZE?"));
  }
  // Other words for the same thing.
  for (const auto& [variable, meant] : {std::pair{"ANEMLL_LEARNING_RATE=1", "ANEMLL_LR"},
                                        {"ANEMLL_GRADIENT_ACCUMULATION_STEPS=1", "ANEMLL_ACCUMULATION_STEPS"},
                                        {"ANEMLL_MODEL=1", "ANEMLL_MODEL_ID"},
                                        {"ANEMLL_GRADIENT_LIMIT=1", "ANEMLL_CLIP_GRAD_NORM"}}) {
    const auto told = notices({variable});
    BOOST_REQUIRE_MESSAGE(told.size() == 1, variable);
    BOOST_TEST(told[0].misspelt, variable);
    BOOST_TEST(has(told[0].text, std::string("did you mean ") + meant + "?"), told[0].text);
  }
  BOOST_TEST(!notices({"ANEMLL_STEPS=1"}).at(0).misspelt);  // it may be two of them
  // What is read is told too, without the value: it may be a secret.
  const auto read = notices({"ANEMLL_BATCH_SIZE=13", "ANEMLL_LR=1", "ANEMLL_DEPS_DIR=/x"});
  BOOST_REQUIRE_EQUAL(read.size(), 1u);
  BOOST_TEST(!read[0].misspelt);
  BOOST_TEST(has(read[0].text, "ANEMLL_BATCH_SIZE, ANEMLL_LR"));
  BOOST_TEST(!has(read[0].text, "13"));
  const auto far = notices({"ANEMLL_WARMUP_STEPS=1", "ANEMLL_XYZZY_PLUGH=2"});
  BOOST_REQUIRE_EQUAL(far.size(), 1u);
  BOOST_TEST(!far[0].misspelt);
  BOOST_TEST(has(far[0].text, "ANEMLL_WARMUP_STEPS, ANEMLL_XYZZY_PLUGH"));
  BOOST_TEST(has(notices({"ANEMLL_LOG_LEVEL=verbose"}).at(0).text, "debug, info, warning, error"));
  BOOST_TEST(has(notices({"ANEMLL_LOGLEVEL=debug"}).at(0).text, "ANEMLL_LOG_LEVEL"));

  table.environment_prefix = "ANEMLL_PRECOMPUTE";
  BOOST_TEST(has(notices({"ANEMLL_PRECOMPUTE_BATCHSIZE=3"}).at(0).text, "ANEMLL_PRECOMPUTE_BATCH_SIZE"));
}

BOOST_AUTO_TEST_CASE(a_word_stands_for_a_number) {
  Sample sample;
  sample.table.add_word("batch-size", "auto", 0);
  BOOST_TEST(sample.table.json().find("\"batch-size\":8") != std::string::npos, sample.table.json());
  sample.parse({"--batch-size", "auto"});
  BOOST_TEST(sample.batch_size == 0);
  BOOST_TEST(sample.table.json().find("\"batch-size\":\"auto\"") != std::string::npos, sample.table.json());
  BOOST_TEST(sample.table.resolved().find("batch-size = auto") != std::string::npos, sample.table.resolved());
  BOOST_TEST(sample.table.help().find("1 to 4096, or auto") != std::string::npos, sample.table.help());
  Sample other;  // another rank takes it over
  other.table.add_word("batch-size", "auto", 0);
  const auto differences = other.table.adopt(sample.table.shared_json());
  BOOST_TEST(other.batch_size == 0);
  BOOST_REQUIRE_EQUAL(differences.size(), 1u);
  BOOST_TEST(differences[0].there == "auto");
  // The value that it stands for is no number that one may type, and other words are none.
  for (const char* bad : {"0", "Auto", "automatic"}) {
    const std::string text = usage_error([&] {
      Sample again;
      again.table.add_word("batch-size", "auto", 0);
      again.parse({"--batch-size", bad});
    });
    BOOST_TEST(text.find("1 to 4096, or auto") != std::string::npos, text);
  }
  BOOST_CHECK_THROW(sample.table.add_word("note", "auto", 0), std::logic_error);
}

BOOST_AUTO_TEST_CASE(shortest_numbers_read_back) {
  for (const double v : {0.1, 5e-5, 1.0, 1e-300, 1.0 / 3, 123456789.0, 0.0}) {
    BOOST_TEST(std::strtod(anemll::shortest(v).c_str(), nullptr) == v);
  }
  BOOST_TEST(anemll::shortest(0.1) == "0.1");
  BOOST_TEST(anemll::shortest(1000) == "1000");
}

BOOST_AUTO_TEST_SUITE_END()
