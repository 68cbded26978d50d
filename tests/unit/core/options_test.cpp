// OptionTable: sources and their precedence, what is refused and how it is said, and the printed texts.
#include "anemll/core/options.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/file.hpp"
#include "src/core/build_info.hpp"
#include "src/core/internal/option_spec.hpp"
#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/core/option_checks.hpp"

#include <array>
#include <cstdlib>
#include <limits>
#include <span>
#include <sstream>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace {

using anemll::OptionTable;
using anemll::test::Environment;
using anemll::test::usage_error;
using Outcome = OptionTable::Outcome;
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Order { shuffle, sequential };
constexpr auto kOrders =
    std::to_array<anemll::Choice<Order>>({{Order::shuffle, "shuffle"}, {Order::sequential, "sequential"}});
constexpr std::span<const anemll::Choice<Order>> choices_of(Order) {
  return kOrders;
}

/// One option of every kind.
struct Sample {
  std::string cache_dir, input, output = "out.h5";
  Order order = Order::shuffle;
  std::int64_t batch_size = 8;
  double lr = 5e-5;
  std::optional<double> hard_end;
  std::optional<std::int64_t> mlp_rank;
  std::optional<std::string> config;
  bool fast_init = false, mixed_precision = true;
  OptionTable table{"sample", "shows one option of every kind"};

  explicit Sample(bool with_arguments = false) {
    table.group("Data");
    table.add("cache-dir", &cache_dir, "Folder of the cache.");
    table.add_choice("order", &order, "Order of the samples.");
    table.group("Training");
    table.add("batch-size", &batch_size, "Global number of sequences.", 1, 4096);
    table.add("lr", &lr, "Peak learning rate.", 0.0, kInfinity);
    table.add("hard-top1-end", &hard_end, "Last weight.", 0.0, 1.0);
    table.add("mlp-rank", &mlp_rank, "Rank of the scales.", 0, kNoLimit);
    table.add("config", &config, "Preset.");
    table.add_flag("fast-init", &fast_init, "Random scales.");
    table.add_switch("mixed-precision", &mixed_precision, "Reduced precision.");
    table.add_refused("wandb", false, "this trainer has no wandb client", "use metrics.jsonl");
    table.add_refused("v1-checkpoint", true, "V1 files are not read", "convert the file first");
    if (with_arguments) {
      table.add_positional("INPUT", &input, "What to read.", true);
      table.add_positional("OUTPUT", &output, "What to write.", false);
    }
  }
  Outcome parse(std::vector<const char*> args) {
    args.insert(args.begin(), "sample");
    return table.parse(static_cast<int>(args.size()), args.data());
  }
};

std::string refusal(std::vector<const char*> args, bool with_arguments = false) {
  return usage_error([&] { Sample(with_arguments).parse(args); });
}
bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) BOOST_TEST_MESSAGE("'" << part << "' is not in: " << text);
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(core_options)

BOOST_AUTO_TEST_CASE(command_line_sets_every_kind) {
  Sample s(true);
  const auto outcome = s.parse({"in.pt", "--cache-dir", "/c", "--order=sequential", "--batch-size=16", "--lr",
                                "1e-4", "--hard-top1-end", "0", "--mlp-rank", "32", "--config", "q2a4",
                                "--fast-init", "--no-mixed-precision", "o.h5"});
  BOOST_TEST((outcome == Outcome::run));
  BOOST_TEST(s.cache_dir == "/c");
  BOOST_TEST((s.order == Order::sequential));
  BOOST_TEST(s.batch_size == 16);
  BOOST_TEST(s.lr == 1e-4);
  BOOST_TEST(s.hard_end.value() == 0.0);
  BOOST_TEST(s.mlp_rank.value() == 32);
  BOOST_TEST(s.config.value() == "q2a4");
  BOOST_TEST(s.fast_init);
  BOOST_TEST(!s.mixed_precision);
  BOOST_TEST(s.input == "in.pt");
  BOOST_TEST(s.output == "o.h5");
  BOOST_TEST(s.table.given("lr"));
  BOOST_TEST(s.table.source("lr") == "command line");
}

BOOST_AUTO_TEST_CASE(defaults_stay_and_are_not_given) {
  Sample s;
  s.parse({});
  BOOST_TEST(s.batch_size == 8);
  BOOST_TEST(s.lr == 5e-5);
  BOOST_TEST(!s.hard_end.has_value());
  BOOST_TEST(s.mixed_precision);
  BOOST_TEST(!s.table.given("batch-size"));
  BOOST_TEST(s.table.source("batch-size") == "default");
}

BOOST_AUTO_TEST_CASE(precedence_is_line_environment_file_default) {
  const anemll::test::TempDir dir;
  const std::string one = (dir / "one.ini").string(), two = (dir / "two.ini").string();
  anemll::write_file(one, "# first\nlr = 1e-3\nbatch-size = 2\nmlp-rank = 4\nfast-init = true # note\n");
  anemll::write_file(two, "batch-size = 3\r\nmlp-rank=5\r\nno-mixed-precision = yes\n");
  const Environment env("ANEMLL_MLP_RANK", "6");
  const Environment empty("ANEMLL_LR", "");
  const Environment other("ANEMLL_DEPS_DIR", "/nothing/to/do/with/options");
  Sample s;
  s.parse({"--config-file", one.c_str(), "--batch-size", "7", "--config-file", two.c_str()});
  BOOST_TEST(s.lr == 1e-3);
  BOOST_TEST(s.batch_size == 7);
  BOOST_TEST(s.mlp_rank.value() == 6);
  BOOST_TEST(s.fast_init);
  BOOST_TEST(!s.mixed_precision);
  BOOST_TEST(s.table.source("lr") == one + ":2");
  BOOST_TEST(s.table.source("batch-size") == "command line");
  BOOST_TEST(s.table.source("mlp-rank") == "environment ANEMLL_MLP_RANK");
  BOOST_TEST(s.table.source("mixed-precision") == two + ":3");

  Sample later;  // the later file wins
  later.parse({"--config-file", one.c_str(), "--config-file", two.c_str()});
  BOOST_TEST(later.batch_size == 3);
}

BOOST_AUTO_TEST_CASE(switches_read_words_from_the_environment) {
  const Environment env("ANEMLL_MIXED_PRECISION", "off");
  Sample s;
  s.parse({});
  BOOST_TEST(!s.mixed_precision);
  Sample t;
  t.parse({"--mixed-precision"});
  BOOST_TEST(t.mixed_precision);
}

BOOST_AUTO_TEST_CASE(last_word_on_the_line_wins) {
  Sample s;
  s.parse({"--lr", "1", "--no-mixed-precision", "--lr", "2", "--mixed-precision"});
  BOOST_TEST(s.lr == 2);
  BOOST_TEST(s.mixed_precision);
}

BOOST_AUTO_TEST_CASE(unknown_flags_suggest_the_nearest_name) {
  BOOST_TEST(has(refusal({"--btach-size", "4"}), "did you mean --batch-size?"));
  BOOST_TEST(has(refusal({"--bacth_size", "4"}), "unknown option '--bacth_size'"));
  BOOST_TEST(has(refusal({"--bacth_size", "4"}), "did you mean --batch-size?"));
  BOOST_TEST(
      has(refusal({"--batch", "4"}), "did you mean --batch-size?"));  // a part of a name is not the name
  BOOST_TEST(has(refusal({"--no-mixed-precison"}), "did you mean --no-mixed-precision?"));
  BOOST_TEST(has(refusal({"--batch"}), "unknown option '--batch'"));
  BOOST_TEST(!has(refusal({"--xyzzy-plugh-frotz"}), "did you mean"));
  BOOST_TEST(has(refusal({"-x"}), "unknown option"));
}

BOOST_AUTO_TEST_CASE(files_name_the_line_of_what_is_wrong) {
  const anemll::test::TempDir dir;
  const std::string path = (dir / "bad.ini").string();
  const auto message = [&](const std::string& content) {
    anemll::write_file(path, content);
    return refusal({"--config-file", path.c_str()});
  };
  const std::string unknown = message("lr = 1\n\nbatch_sise = 4\n");
  BOOST_TEST(has(unknown, path + ":3"));
  BOOST_TEST(has(unknown, "did you mean batch-size?"));
  const std::string type = message("batch-size = many\n");
  BOOST_TEST(has(type, path + ":1"));
  BOOST_TEST(has(type, "'many' is not a whole number, 1 to 4096"));
  BOOST_TEST(has(message("lr 3\n"), path + ":1"));
  BOOST_TEST(has(message("[training]\nlr = 3\n"), "sections are not supported"));
  BOOST_TEST(has(message("lr = 1\nlr = 2\n"), "already set on line 1"));
  BOOST_TEST(has(message("mixed-precision = 1\nno-mixed-precision = 1\n"), "already set on line 1"));
  BOOST_TEST(has(message("config-file = x\n"), "no meaning in a config file"));
  BOOST_TEST(has(message("help = true\n"), "no meaning in a config file"));
  BOOST_TEST(has(message("wandb = true\n"), "no wandb client"));
  anemll::write_file(path, "wandb = false\n");
  Sample s;
  BOOST_TEST((s.parse({"--config-file", path.c_str()}) == Outcome::run));
  BOOST_TEST(has(refusal({"--config-file", "/no/such.ini"}), "/no/such.ini"));
}

BOOST_AUTO_TEST_CASE(bad_values_name_option_value_range_and_source) {
  const std::string range = refusal({"--batch-size", "0"});
  BOOST_TEST(has(range, "--batch-size"));
  BOOST_TEST(has(range, "'0' is out of range, allowed: 1 to 4096"));
  BOOST_TEST(has(range, "source: command line"));
  BOOST_TEST(has(range, "the default is 8"));
  for (const char* bad : {"4097", "-1", "8.0", "8x", "", " 8", "0x10", "99999999999999999999"}) {
    BOOST_TEST_CONTEXT(bad) {
      BOOST_TEST(has(refusal({"--batch-size", bad}), "--batch-size"));
    }
  }
  for (const char* bad : {"nan", "inf", "1e999", "0x1p3", "1e-4x", "-0.5", "e", ""}) {
    BOOST_TEST_CONTEXT(bad) {
      BOOST_TEST(has(refusal({"--lr", bad}), "--lr"));
    }
  }
  BOOST_TEST(has(refusal({"--lr", "-0.5"}), "allowed: at least 0"));
  BOOST_TEST(has(refusal({"--hard-top1-end", "1.5"}), "allowed: 0 to 1"));
  BOOST_TEST(has(refusal({"--order", "shufle"}), "one of shuffle | sequential"));
  const Environment env("ANEMLL_BATCH_SIZE", "lots");
  const std::string variable = refusal({});
  BOOST_TEST(has(variable, "ANEMLL_BATCH_SIZE"));
  BOOST_TEST(has(variable, "'lots'"));
  BOOST_TEST(has(variable, "1 to 4096"));
}

BOOST_AUTO_TEST_CASE(edges_of_the_range_are_allowed) {
  for (const char* edge : {"1", "4096"}) {
    Sample s;
    s.parse({"--batch-size", edge});
    BOOST_TEST(s.batch_size == std::atoll(edge));
  }
  Sample s;
  s.parse({"--mlp-rank", "9223372036854775807"});
  BOOST_TEST(s.mlp_rank.value() == kNoLimit);
}

BOOST_AUTO_TEST_CASE(forgotten_and_superfluous_values_are_refused) {
  BOOST_TEST(has(refusal({"--cache-dir"}), "--cache-dir: needs a value"));
  BOOST_TEST(has(refusal({"--cache-dir", "--lr", "1"}), "--cache-dir: needs a value"));
  BOOST_TEST(has(refusal({"--fast-init=yes"}), "--fast-init: takes no value"));
  BOOST_TEST(has(refusal({"--cache-dir="}), "--cache-dir: needs a value"));
  Sample s;
  s.parse({"--cache-dir=--odd"});
  BOOST_TEST(s.cache_dir == "--odd");
}

BOOST_AUTO_TEST_CASE(arguments_are_counted) {
  BOOST_TEST(has(refusal({}, true), "the argument INPUT is missing"));
  BOOST_TEST(has(refusal({"a", "b", "c"}, true), "unexpected argument 'c'"));
  BOOST_TEST(has(refusal({"x"}), "unexpected argument 'x'"));
  Sample s(true);
  s.parse({"--", "--strange"});
  BOOST_TEST(s.input == "--strange");
}

BOOST_AUTO_TEST_CASE(refused_options_say_why) {
  const std::string wandb = refusal({"--wandb"});
  BOOST_TEST(has(wandb, "--wandb"));
  BOOST_TEST(has(wandb, "no wandb client"));
  BOOST_TEST(has(wandb, "hint: use metrics.jsonl"));
  BOOST_TEST(has(refusal({"--v1-checkpoint", "a.pt"}), "V1 files are not read"));
  BOOST_TEST(has(refusal({"--v1-checkpoint"}), "V1 files are not read"));
  // Beside it stand words that are unknown for the same reason.
  BOOST_TEST(has(refusal({"--wandb-team", "x", "--wandb"}), "no wandb client"));
  const Environment env("ANEMLL_WANDB", "1");
  BOOST_TEST(has(refusal({}), "environment ANEMLL_WANDB"));
}

BOOST_AUTO_TEST_CASE(required_options_may_come_from_anywhere) {
  Sample missing;
  missing.table.require("cache-dir");
  BOOST_TEST(has(usage_error([&] { missing.parse({}); }), "--cache-dir: this option is required"));
  Sample needless;
  needless.table.require_unless("cache-dir", "fast-init");
  needless.parse({"--fast-init"});
  BOOST_TEST(has(needless.table.help(), "required without --fast-init"));
  Sample needed;
  needed.table.require_unless("cache-dir", "fast-init");
  BOOST_TEST(has(usage_error([&] { needed.parse({}); }), "--cache-dir: this option is required"));
  const Environment env("ANEMLL_CACHE_DIR", "/c");
  Sample s;
  s.table.require("cache-dir");
  s.parse({});
  BOOST_TEST(s.cache_dir == "/c");
}

BOOST_AUTO_TEST_CASE(help_fits_80_columns_and_tells_defaults_and_ranges) {
  Sample s(true);
  s.table.add("a-name-that-is-longer-than-the-column-of-names", &s.cache_dir,
              "A help text that is long enough to be broken over several lines of a terminal of the usual "
              "width, twice.");
  anemll::test::Capture out(STDOUT_FILENO);
  const auto outcome = s.parse({"--bogus", "--help"});  // help works whatever else is wrong
  const std::string text = out.text();
  BOOST_TEST((outcome == Outcome::exit_ok));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) BOOST_TEST(line.size() <= 80u, line);
  for (const std::string& name : s.table.names()) {
    const std::string shown = name == "mixed-precision" ? "--[no-]mixed-precision" : name;
    BOOST_TEST(has(text, shown));
  }
  std::istringstream words(text);
  std::string flat;  // line breaks may fall anywhere
  for (std::string word; words >> word;) flat += word + ' ';
  BOOST_TEST(has(text, "Usage: sample [options] INPUT [OUTPUT]"));
  BOOST_TEST(has(text, "\nTraining:\n"));
  BOOST_TEST(has(flat, "(1 to 4096; default 8)"));
  BOOST_TEST(has(flat, "(at least 0; default 5e-05)"));
  BOOST_TEST(has(flat, "(shuffle | sequential; default shuffle)"));
  BOOST_TEST(has(flat, "default on"));
}

BOOST_AUTO_TEST_CASE(version_prints_build_facts) {
  Sample s;
  anemll::test::Capture out(STDOUT_FILENO);
  const auto outcome = s.parse({"--version"});
  const std::string text = out.text();
  BOOST_TEST((outcome == Outcome::exit_ok));
  BOOST_TEST(text.starts_with("sample " + anemll::build_info().version + " (git "));
  BOOST_TEST(has(text, "libtorch"));
  BOOST_TEST(has(text, "compiler"));
}

BOOST_AUTO_TEST_CASE(help_comes_in_the_form_that_is_asked_for) {
  const auto said = [](const char* word) {
    Sample s(true);
    anemll::test::Capture out(STDOUT_FILENO);
    const auto outcome = s.parse({"--batch-size", "no number", word});
    BOOST_TEST((outcome == Outcome::exit_ok));
    return out.text();
  };
  const Sample s(true);
  BOOST_TEST(said("--help=text") == s.table.help());
  BOOST_TEST(said("--help=markdown") == s.table.markdown());
  const auto described = nlohmann::json::parse(said("--help=json"));
  BOOST_TEST(described.at("program") == "sample");
  BOOST_TEST(described.at("usage") == "Usage: sample [options] INPUT [OUTPUT]");
  const std::vector<std::string> all = s.table.names();
  BOOST_REQUIRE(described.at("options").size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST(described["options"][i].at("name") == all[i]);
  const std::string other = refusal({"--help=html"});
  BOOST_TEST(has(other, "there is no help as 'html'"));
  BOOST_TEST(has(other, "--help=markdown"));
}

BOOST_AUTO_TEST_CASE(a_program_s_own_version_takes_a_value_and_alone_asks_for_the_build) {
  const auto parse = [](std::vector<const char*> args) {
    std::optional<std::string> version;
    std::int64_t count = 0;
    OptionTable table("own", "has a version of its own");
    table.add("version", &version, "Which one.");
    table.add("count", &count, "How many.", 0, 9);
    args.insert(args.begin(), "own");
    anemll::test::Capture out(STDOUT_FILENO);
    const auto outcome = table.parse(static_cast<int>(args.size()), args.data(), false);
    return std::tuple(outcome == Outcome::run, version.value_or("none"), has(out.text(), "libtorch"));
  };
  BOOST_TEST((parse({"--version", "v2", "--count", "3"}) == std::tuple(true, std::string("v2"), false)));
  BOOST_TEST((parse({"--version=v1"}) == std::tuple(true, std::string("v1"), false)));
  BOOST_TEST((parse({"--version"}) == std::tuple(false, std::string("none"), true)));
  BOOST_TEST((parse({"--version", "--count", "3"}) == std::tuple(false, std::string("none"), true)));
  BOOST_TEST((parse({"--count", "3"}) == std::tuple(true, std::string("none"), false)));
}

BOOST_AUTO_TEST_CASE(printed_config_reads_back_as_the_same_values) {
  const anemll::test::TempDir dir;
  const std::string path = (dir / "printed.ini").string();
  Sample s;
  s.table.require("cache-dir");
  anemll::test::Capture out(STDOUT_FILENO);
  const auto outcome =
      s.parse({"--print-config", "--lr", "0.1", "--mlp-rank", "3", "--fast-init", "--no-mixed-precision"});
  const std::string text = out.text();
  BOOST_TEST((outcome == Outcome::exit_ok));
  BOOST_TEST(has(text, "lr = 0.1  # command line"));
  BOOST_TEST(has(text, "batch-size = 8  # default"));
  BOOST_TEST(has(text, "# hard-top1-end =   # not set"));
  BOOST_TEST(has(text, "required, not given"));
  anemll::write_file(path, text);
  Sample back;
  back.parse({"--config-file", path.c_str()});
  BOOST_TEST(back.table.json() == s.table.json());
  BOOST_TEST(back.lr == 0.1);
}

BOOST_AUTO_TEST_CASE(json_has_types_and_nulls) {
  Sample s;
  s.parse({"--lr", "0.25", "--cache-dir", "a\"b"});
  const auto j = nlohmann::json::parse(s.table.json());
  BOOST_TEST(j.at("lr").get<double>() == 0.25);
  BOOST_TEST(j.at("batch-size").get<int>() == 8);
  BOOST_TEST(j.at("mixed-precision").get<bool>());
  BOOST_TEST(j.at("cache-dir").get<std::string>() == "a\"b");
  BOOST_TEST(j.at("mlp-rank").is_null());
  BOOST_TEST(!j.contains("wandb"));
  BOOST_TEST(!j.contains("help"));
}

BOOST_AUTO_TEST_CASE(markdown_has_a_row_for_every_option) {
  Sample s(true);
  const std::string text = s.table.markdown();
  BOOST_TEST(has(text, "| `--batch-size N` | 8 | 1 to 4096 | Global number of sequences. |"));
  BOOST_TEST(has(text, "shuffle \\| sequential"));
  BOOST_TEST(has(text, "`--[no-]mixed-precision`"));
  BOOST_TEST(has(text, "Not available: this trainer has no wandb client"));
}

BOOST_AUTO_TEST_CASE(the_description_says_what_help_says_of_an_option) {
  Sample s(true);
  anemll::test::Capture out(STDOUT_FILENO);
  s.parse({"--help=json"});
  const auto described = nlohmann::json::parse(out.text());
  const auto option = [&](const std::string& name) {
    for (const auto& o : described.at("options"))
      if (o.at("name") == name) return o;
    return nlohmann::json();
  };
  BOOST_TEST(option("order").at("words") == nlohmann::json({"shuffle", "sequential"}));
  BOOST_TEST(option("order").at("facts") == "shuffle | sequential; default shuffle");
  BOOST_TEST(option("order").at("group") == "Data");
  BOOST_TEST(option("batch-size").at("value") == "N");
  BOOST_TEST(option("mixed-precision").at("kind") == "switch");
  BOOST_TEST(option("mixed-precision").at("shown") == "--[no-]mixed-precision");
  BOOST_TEST(option("wandb").at("kind") == "refused");
  BOOST_TEST(option("INPUT").at("kind") == "argument");
  BOOST_TEST(option("config-file").at("value") == "FILE");
  BOOST_TEST(option("help").at("value") == "");
}

BOOST_AUTO_TEST_CASE(a_second_declaration_is_our_own_mistake) {
  Sample s;
  BOOST_CHECK_THROW(s.table.add("lr", &s.cache_dir, ""), std::logic_error);
  BOOST_CHECK_THROW(s.table.add("no-mixed-precision", &s.cache_dir, ""), std::logic_error);
  BOOST_CHECK_THROW(s.table.add("two words", &s.cache_dir, ""), std::logic_error);
  BOOST_CHECK_THROW(s.table.add("cache_dir", &s.cache_dir, ""), std::logic_error);
  BOOST_CHECK_THROW(s.table.add("no_mixed_precision", &s.cache_dir, ""), std::logic_error);
  s.table.add("under_score", &s.cache_dir, "");
  BOOST_CHECK_THROW(s.table.require("nothing"), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
