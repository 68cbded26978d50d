// anemll_watch from the outside: a run from its first row to its end, a folder that is empty yet, on a
// terminal and in a pipe, and how it ends.
#include "anemll/core/file.hpp"
#include "tests/support/job.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>

#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

namespace fs = std::filesystem;

std::string watch(const std::string& arguments) {
  return bin("anemll_watch") + " " + arguments;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string kRow = "{\"kind\":\"train\",\"step\":10,\"loss\":2.5,\"elapsed_s\":20}\n";
const std::string kEnd = "{\"kind\":\"summary\",\"summary\":{\"step\":10,\"elapsed_s\":20}}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_watch)

BOOST_AUTO_TEST_CASE(a_finished_run_is_told_once) {
  const TempDir dir;
  const fs::path out = dir / "run";
  const ToolResult trained =
      run("( " + train_command(out, "--max-steps 20") + " 2>" + (dir / "run.log").string() + " )");
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  for (const std::string flags : {" --once", " --ascii", ""}) {
    const ToolResult result = run("LC_ALL=C.UTF-8 " + watch(out.string() + flags));
    BOOST_TEST(result.code == 0, result.output);
    for (const char* part : {"run: complete\n", "steps      20 of 20  [########################] 100%\n",
                             "tokens/s", "loss       ", "best       evaluation ", "data wait  ",
                             "ranks      1 on ", "state      step 20, saved ", "train/loss, last "})
      BOOST_TEST(has(result.output, part), part << " is missing in " << result.output);
    BOOST_TEST(has(result.output, "\u2502") == (flags != " --ascii"), result.output);
  }
}

BOOST_AUTO_TEST_CASE(ranks_and_hosts_need_neither_a_state_nor_a_text_of_stderr) {
  const TempDir dir;
  const fs::path out = dir / "run";
  const auto told = [&] {
    fs::rename(out / "state", dir / "state");
    const ToolResult result = run(watch("--once " + out.string()));
    fs::rename(dir / "state", out / "state");
    return result.output;
  };
  const auto starts = [&] {
    const std::string log = read_all(out / "metrics.jsonl");
    std::size_t count = 0;
    for (std::size_t at = 0; (at = log.find("{\"kind\":\"start\"", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  const std::string command = train_command(out, "--resume auto --max-steps 4");
  BOOST_REQUIRE_EQUAL(run(command).code, 0);
  BOOST_TEST(
      read_all(out / "metrics.jsonl").starts_with("{\"kind\":\"start\""));  // in front of the first row
  BOOST_TEST(has(told(), "ranks      1 on "), told());
  BOOST_REQUIRE_EQUAL(run(command).code, 0);  // nothing is left to train
  BOOST_TEST(starts() == 1U);
  BOOST_REQUIRE_EQUAL(run(mpirun(2, train_command(out, "--resume auto --max-steps 6"))).code, 0);
  BOOST_TEST(starts() == 2U);
  BOOST_TEST(has(told(), "ranks      2 on "), told());
}

BOOST_AUTO_TEST_CASE(a_recipe_is_watched_until_it_is_done) {
  const TempDir dir;
  const fs::path out = dir / "out", stages = out / "stages";
  fs::create_directories(stages);
  write_file(stages / "cache.started", "attempts=1\nseconds=0\n");
  Job job(watch("--interval 0.1 " + out.string()));
  BOOST_TEST(job.wait_for("out: at the stage cache, waiting for the first training to write its log\n"),
             job.output());
  fs::create_directories(out / "v1");
  write_file(out / "v1/metrics.jsonl", kRow);
  fs::rename(stages / "cache.started", stages / "v1.started");
  BOOST_TEST(job.wait_for("out/v1: running or just stopped"), job.output());
  write_file(out / "v1/metrics.jsonl", kRow + kEnd);
  BOOST_TEST(job.wait_for("out/v1: complete\n"), job.output());  // the next one comes
  fs::rename(stages / "v1.started", stages / "v2.started");
  BOOST_TEST(job.wait_for("out: at the stage v2\n"), job.output());
  fs::create_directories(out / "v2");
  fs::last_write_time(out / "v1/metrics.jsonl", fs::file_time_type::clock::now() - std::chrono::seconds(2));
  write_file(out / "v2/metrics.jsonl", kRow + kEnd);
  BOOST_TEST(job.wait_for("out/v2: complete\n"), job.output());
  for (const char* name : {"cache.done", "v1.done", "v2.done"}) write_file(stages / name, "seconds=1\n");
  write_file(stages / "recipe", "recipe=two\nstages=cache v1 v2\n");
  fs::remove(stages / "v2.started");
  BOOST_TEST(job.finish() == 0, job.output());
  BOOST_TEST(has(job.output(), "out: complete\nrun "), job.output());

  // One that ends within a training ends the look too.
  write_file(stages / "v2.started", "attempts=1\nseconds=0\n");
  write_file(out / "v2/metrics.jsonl", kRow + R"({"kind":"end","step":10,"exit_code":75})" + "\n");
  const ToolResult stopped = run("timeout 20 " + watch(out.string()));
  BOOST_TEST(stopped.code == 0, stopped.output);
  BOOST_TEST(has(stopped.output, "out/v2: stopped at step 10, saved"), stopped.output);
}

BOOST_AUTO_TEST_CASE(a_stopped_run_is_told_as_such_and_its_log_goes_on_as_if_nothing_was) {
  const TempDir dir;
  const fs::path whole = dir / "whole", out = dir / "run";
  const std::string flags = "--max-steps 400 --logging-steps 1 --eval-steps 0 --save-steps 0 --resume auto";
  BOOST_REQUIRE_EQUAL(run(train_command(whole, flags)).code, 0);
  Job training(train_command(out, flags));
  BOOST_REQUIRE_MESSAGE(training.wait_for("step 3/400"), training.output());
  Job watching(watch("--interval 0.1 " + out.string()));
  BOOST_REQUIRE_MESSAGE(watching.wait_for("run: running"), watching.output());
  training.signal(SIGTERM);
  BOOST_REQUIRE_MESSAGE(training.finish() == 75, training.output());
  BOOST_TEST(watching.finish() == 0, watching.output());
  const ToolResult once = run(watch("--once " + out.string()));
  for (const std::string& output : {watching.output(), once.output})
    BOOST_TEST(has(output, ", saved; the same command with --resume auto goes on\n"), output);
  BOOST_TEST(has(once.output, "run: stopped at step "), once.output);
  BOOST_TEST(!has(once.output, "eta"), once.output);

  const ToolResult rest = run(train_command(out, flags));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  BOOST_TEST(has(run(watch("--once " + out.string())).output, "run: complete\n"));
  const auto kinds = [](const fs::path& folder) {
    std::string all, line;
    std::istringstream lines(read_all(folder / "metrics.jsonl"));
    std::getline(lines, line);  // the first one names the folder
    while (std::getline(lines, line)) all += line.substr(0, line.find("\"loss\"")) + '\n';
    return all.substr(0, all.find("\"summary\""));
  };
  BOOST_TEST(kinds(out) == kinds(whole));
}

BOOST_AUTO_TEST_CASE(a_run_that_an_error_ended_is_told_with_it) {
  const TempDir dir;
  write_file(dir / "metrics.jsonl",
             kRow + R"({"kind":"end","step":12,"exit_code":3,"error":"a/b: cannot write"})" + "\n");
  const ToolResult result = run(watch(dir.path().string()));
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(has(result.output, ": ended by an error at step 12 (exit code 3): a/b: cannot write\n"),
             result.output);
}

BOOST_AUTO_TEST_CASE(no_pace_is_told_before_there_is_one) {
  const TempDir dir;
  write_file(dir / "metrics.jsonl", R"({"kind":"eval","step":0,"loss":2.5,"elapsed_s":0})"
                                    "\n");
  const ToolResult result = run(watch("--once " + dir.path().string()));
  BOOST_TEST(has(result.output, "evaluation 2.5 at step 0"), result.output);
  BOOST_TEST(!has(result.output, "pace"), result.output);
}

BOOST_AUTO_TEST_CASE(an_empty_folder_is_waited_for_and_blocks_follow) {
  const TempDir dir;
  const fs::path out = dir / "later";
  Job job(watch("--interval 0.1 " + out.string()));
  BOOST_TEST(job.wait_for("later: no such folder yet: waiting for a run to make it\n"), job.output());
  fs::create_directories(out);
  BOOST_TEST(job.wait_for("later: waiting for the first row\n"), job.output());
  write_file(out / "metrics.jsonl", kRow.substr(0, 20));  // torn: not yet a row
  write_file(out / "metrics.jsonl", kRow);
  BOOST_TEST(job.wait_for("later: running or just stopped, by its last sign of life\n"), job.output());
  BOOST_TEST(job.wait_for("loss       2.5 at step 10\n"), job.output());
  write_file(out / "metrics.jsonl", kRow + kEnd);
  BOOST_TEST(job.finish() == 0, job.output());
  BOOST_TEST(has(job.output(), "later: complete\n"), job.output());
  BOOST_TEST(!has(job.output(), "\x1b"), job.output());
}

BOOST_AUTO_TEST_CASE(a_terminal_is_redrawn_and_keys_end_it) {
  const TempDir dir;
  write_file(dir / "metrics.jsonl", kRow);
  const std::string command = "env TERM=xterm LC_ALL=C " + watch("--interval 0.1 " + dir.path().string());
  for (const std::string keys : {"q", "\x03"}) {
    Job job(command, Job::Output::terminal);
    BOOST_TEST(job.wait_for("loss       2.5 at step 10"), job.output());
    write_file(dir / "metrics.jsonl",
               kRow + "{\"kind\":\"train\",\"step\":20,\"loss\":1.25,\"elapsed_s\":40}\n");
    BOOST_TEST(job.wait_for("loss       1.25 at step 20"), job.output());
    job.type(keys);
    BOOST_TEST(job.finish() == 0, job.output());
    BOOST_TEST(has(job.output(), "\x1b[?25h"), job.output());  // the cursor is back
    write_file(dir / "metrics.jsonl", kRow);
  }
  Job job(command, Job::Output::terminal);
  BOOST_TEST(job.wait_for("loss       2.5 at step 10"), job.output());
  job.signal(SIGTERM);
  BOOST_TEST(job.finish() == 128 + SIGTERM);
  BOOST_TEST(has(job.output(), "\x1b[?25h"), job.output());
}

BOOST_AUTO_TEST_CASE(readers_may_leave_and_mistakes_are_told) {
  const TempDir dir;
  write_file(dir / "metrics.jsonl", kRow);
  Job job(watch("--interval 0.1 " + dir.path().string()));
  BOOST_TEST(job.wait_for("at step 10\n"), job.output());
  job.leave();
  write_file(dir / "metrics.jsonl", kRow + "{\"kind\":\"train\",\"step\":20,\"loss\":1,\"elapsed_s\":40}\n");
  BOOST_TEST(job.finish() == 0);

  const std::string gone = (dir / "gone").string();
  const ToolResult once = run(watch("--once " + gone));
  BOOST_TEST((once.code == 3 && has(once.output, gone)), once.output);
  const ToolResult deep = run(watch(gone + "/deeper"));
  BOOST_TEST((deep.code == 3 && has(deep.output, "--output-dir")), deep.output);
  const ToolResult file = run(watch((dir / "metrics.jsonl").string()));
  BOOST_TEST((file.code == 3 && has(file.output, "anemll_plot")), file.output);
  const ToolResult log = run(watch("--once --log " + gone + " " + dir.path().string()));
  BOOST_TEST((log.code == 3 && has(log.output, gone)), log.output);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
