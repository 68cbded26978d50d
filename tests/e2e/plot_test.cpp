// anemll_plot from the outside, on a run of the trainer: what it sketches, lists and draws, and how it ends.
#include "anemll/core/file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

/// In a locale with UTF-8, on 80 columns.
ToolResult plot(const std::string& arguments, const std::string& before = "LC_ALL=C.UTF-8 COLUMNS=80") {
  return run(before + " " + bin("anemll_plot") + " " + arguments);
}

bool has(const ToolResult& result, const std::string& part) {
  return result.output.find(part) != std::string::npos;
}

struct TrainedRun {
  TempDir dir;
  std::string out = (dir / "run a").string();
  std::string quoted = "'" + out + "'";
  TrainedRun() {
    fs::create_directories(dir / "work");
    const ToolResult result = run(train_command("'" + out + "'", "--max-steps 20"));
    BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_plot)

BOOST_FIXTURE_TEST_CASE(a_run_is_sketched_listed_and_drawn, TrainedRun) {
  const ToolResult sketch = plot(quoted);
  BOOST_TEST(sketch.code == 0, sketch.output);
  BOOST_TEST(has(sketch, "run a\n\nloss\n"), sketch.output);
  BOOST_TEST(has(sketch, "\u2502"), sketch.output);
  BOOST_TEST(has(sketch, "o eval/loss, last "), sketch.output);
  BOOST_TEST(has(sketch, " at 20\n"), sketch.output);

  for (const ToolResult& plain :
       {plot(quoted, "LC_ALL=C COLUMNS=60"), plot(quoted + " --ascii --metric loss,lr")}) {
    BOOST_TEST(plain.code == 0, plain.output);
    for (const char c : plain.output) BOOST_REQUIRE(static_cast<unsigned char>(c) < 0x80);
    BOOST_TEST(has(plain, "+ train/loss, last "), plain.output);
  }

  const ToolResult list = plot(quoted + " --list");
  for (const char* metric : {"train/loss ", "train/tokens_per_s ", "eval/loss ", "train/data_wait_s "})
    BOOST_TEST(has(list, metric), list.output);

  // The folder, its table alone, and the flags of the Python script.
  const ToolResult both = plot(quoted + " '" + out + "/training_log.csv' --metric train/loss --smooth 0.5");
  BOOST_TEST(both.code == 0, both.output);
  BOOST_TEST(has(both, "train/loss\n"), both.output);
  const ToolResult quiet = plot("--run_dir " + quoted + " --source csv --no_show");
  BOOST_TEST((quiet.code == 0 && quiet.output.empty()), quiet.output);

  const std::string file = (dir / "loss.png").string();
  const bool drawn = run("command -v gnuplot").code == 0;
  const ToolResult picture = plot("--run_dir " + quoted + " --save " + file +
                                  " --no_show --ygrid_step .1 --y_major_step 1 --y_minor_step .5");
  if (drawn) {
    BOOST_TEST(picture.output == file + "\n");
    BOOST_TEST(read_text(file).starts_with("\x89PNG"));
  } else {
    BOOST_TEST_MESSAGE("no picture is drawn: gnuplot is not installed (apt-get install gnuplot-nox)");
  }
  fs::remove(file);
  const ToolResult without = plot(quoted + " --output " + file, "PATH=/nowhere COLUMNS=80");
  BOOST_TEST(without.code == 2, without.output);
  BOOST_TEST(has(without, "apt-get install gnuplot-nox"), without.output);
  BOOST_TEST(has(without, "eval/loss, last "), without.output);  // the sketch comes all the same
  BOOST_TEST(!fs::exists(file));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_told) {
  const TempDir dir;
  const ToolResult nothing = plot("");
  BOOST_TEST((nothing.code == 2 && has(nothing, "no run is given")), nothing.output);
  const ToolResult empty = plot(dir.path().string());
  BOOST_TEST((empty.code == 3 && has(empty, "--output-dir")), empty.output);
  write_file(dir / "metrics.jsonl",
             "{\"kind\":\"train\",\"step\":1,\"loss\":2}\nrubbish\n{\"kind\":\"train\",\"st");
  const ToolResult torn = plot(dir.path().string() + " --width 60 --height 4 --log-y");
  BOOST_TEST(torn.code == 0, torn.output);
  BOOST_TEST(has(torn, "1 lines are no rows"), torn.output);
  const ToolResult unknown = plot(dir.path().string() + " --metric train/los");
  BOOST_TEST((unknown.code == 2 && has(unknown, "did you mean 'train/loss'?")), unknown.output);
  const ToolResult name = plot(dir.path().string() + " --output x.jpg");
  BOOST_TEST((name.code == 2 && has(name, ".png or .svg")), name.output);
  const ToolResult unread = plot(dir.path().string() + " --ygrid_step 1 --no_show");
  BOOST_TEST((unread.code == 0 && has(unread, "--ygrid_step has no effect")), unread.output);
}

BOOST_AUTO_TEST_CASE(a_reader_may_leave) {
  const TempDir dir;
  write_file(dir / "metrics.jsonl", "{\"kind\":\"train\",\"step\":1,\"loss\":2}\n");
  const ToolResult result = run("bash -c 'set -o pipefail; " + bin("anemll_plot") + " " +
                                dir.path().string() + " --height 900 | head -n 1'");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(run(bin("anemll_plot") + " " + dir.path().string() + " >/dev/full").code == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
