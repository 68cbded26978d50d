// anemll_report from the outside, on a run of the trainer: the page is whole, any XML reader takes it, and
// nobody's file is lost.
#include "anemll/core/file.hpp"
#include "anemll/core/log.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// As one word of a shell.
std::string word(const fs::path& path) {
  return anemll::strf("'%s'", path.c_str());
}

test::ToolResult report(const std::string& arguments) {
  return test::run(test::bin("anemll_report") + " " + arguments);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_report)

BOOST_AUTO_TEST_CASE(a_run_becomes_a_page) {
  const test::TempDir dir;
  const fs::path run = dir / "a run";
  const std::string of_run = word(run);
  const auto trained =
      test::run(test::train_command(of_run, "--max-steps 20 --inspect-steps 10 --resume auto"));
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);

  const auto made = report(of_run);
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  BOOST_TEST(made.output == (run / "report.html").string() + "\n");
  const std::string page = anemll::read_text(run / "report.html");
  for (const char* part :
       {"<h1>a run</h1>", "Curves", "Learning rate", "--max-steps", "Left out", "Layers in training",
        "a run at step 20", "Processor of a run", "Programs of a run", "anemll_train "})
    BOOST_TEST(has(page, part), part);
  const std::string file = word(run / "report.html");
  if (test::run("command -v python3").code == 0) {
    const auto parsed =
        test::run("python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' " + file);
    BOOST_TEST(parsed.code == 0, parsed.output);
  } else {
    BOOST_TEST_MESSAGE("no second reader: python3 is not installed");
  }
  // A report of a run takes the place of its earlier one.
  BOOST_TEST(report(of_run).code == 0);

  const std::string notes = (dir / "notes.md").string();
  anemll::write_file(notes, "# mine\n");
  const auto refused = report(of_run + " --output " + notes);
  BOOST_TEST(refused.code == 3, refused.output);
  BOOST_TEST(has(refused.output, "--overwrite"), refused.output);
  BOOST_TEST(anemll::read_text(notes) == "# mine\n");
  const fs::path json = dir / "new folder" / "r.json";
  const auto both = report(of_run + " --overwrite --output " + notes + " --output " + word(json));
  BOOST_TEST(both.code == 0, both.output);
  BOOST_TEST(has(anemll::read_text(notes), "| a run |"));
  BOOST_TEST(has(anemll::read_text(json), "\"best_evaluation\""));

  BOOST_TEST(report(of_run + " --output x.txt").code == 2);
  BOOST_TEST(report(word(run / "metrics.jsonl")).code == 2);  // it has no folder of its own
  BOOST_TEST(report((dir / "gone").string()).code == 3);

  // A new run takes it out of its way with what it tells of. A page of somebody else stays.
  anemll::write_file(run / "page.html", "<p>mine</p>");
  const auto anew = test::run(test::train_command(of_run, "--max-steps 2"));
  BOOST_TEST(anew.code == 0, anew.output);
  BOOST_TEST(fs::exists(run / "earlier-1/report.html"));
  BOOST_TEST(!fs::exists(run / "report.html"));
  BOOST_TEST(fs::exists(run / "page.html"));
}

BOOST_AUTO_TEST_CASE(the_command_of_a_page_makes_the_run_again) {
  const test::TempDir dir;
  const fs::path run = dir / "a run", again = dir / "again.md";
  anemll::write_file(dir / "settings.ini", "lr = 5e-4\n");
  const std::string trained = test::train_command(
      word(run), "--max-steps 2 --resume auto --config-file " + (dir / "settings.ini").string());
  BOOST_REQUIRE_EQUAL(test::run("ANEMLL_WEIGHT_DECAY=0.25 " + trained).code, 0);
  BOOST_REQUIRE_EQUAL(report(word(run) + " --output " + again.string()).code, 0);
  const std::string page = anemll::read_text(again);
  const std::size_t begin = page.find("\nanemll_train ") + 1;
  BOOST_REQUIRE_MESSAGE(begin > 0, page);
  const std::string command = page.substr(begin, page.find('\n', begin) - begin);
  BOOST_TEST(has(command, "--output-dir '" + run.string() + "'"), command);
  for (const char* gone : {"--resume", "settings.ini", "--eval-text"})
    BOOST_TEST(!has(command, gone), command);
  for (const char* part : {"--lr 0.0005", "--weight-decay 0.25", "--max-steps 2"})
    BOOST_TEST(has(command, part), command);
  const std::string first = anemll::read_text(run / "training_log.csv");
  const auto repeated = test::run("export OMP_NUM_THREADS=1 PATH=" + test::bin("") + ":$PATH; " + command);
  BOOST_TEST(repeated.code == 0, repeated.output);
  BOOST_TEST(fs::exists(run / "earlier-1"));
  const auto rows = [](const std::string& csv) {  // without their times
    std::string all;
    for (std::size_t at = 0; at < csv.size();) {
      const std::size_t end = std::min(csv.find('\n', at), csv.size());
      all += csv.substr(at, csv.rfind(',', end) - at) + '\n';
      at = end + 1;
    }
    return all;
  };
  BOOST_TEST(rows(anemll::read_text(run / "training_log.csv")) == rows(first));
}

BOOST_AUTO_TEST_SUITE_END()
