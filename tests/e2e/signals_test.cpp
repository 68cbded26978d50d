// When a stop is heard, by whom, and what it leaves: accumulation, evaluation, import, scale init, snap. And
// readers that leave, terminals that go away.
#include "tests/support/job.hpp"
#include "tests/support/many_shards.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::Job;

namespace {

constexpr const char* kSaving = "): saving after this micro-step";
constexpr const char* kNothingYet = "): leaving, there is nothing to save yet";

std::string nano(const std::string& name) {
  return test::golden("nano/" + name).string();
}

std::string train(const fs::path& out, const std::string& flags,
                  const std::string& source = "--v2-checkpoint " + nano("v2_q2a4_init.pt")) {
  return test::bin("anemll_train") + " " + source + " --model-id " + test::golden("nano").string() +
         " --output-dir " + out.string() + " --cache-dir " + nano("cache") +
         " --batch-size 4 --lr 5e-4 --logging-steps 1 --save-steps 0 --eval-steps 0 --eval-samples 8"
         " --precision fp32 --threads 1 --seed 7 " +
         flags;
}

/// Micro-steps without end: the first update never comes.
const std::string kLongStep = "--max-steps 3 --accumulation-steps 10000";

std::string latest(const fs::path& out) {
  return fs::exists(out / "state/latest") ? test::read_all(out / "state/latest") : "none\n";
}

void same_end(const fs::path& a, const fs::path& b, const std::string& step) {
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors"})
    BOOST_TEST(test::read_all(a / "state" / step / file) == test::read_all(b / "state" / step / file), file);
  auto left = nlohmann::json::parse(test::read_all(a / "state" / step / "trainer.json"))["state"];
  auto right = nlohmann::json::parse(test::read_all(b / "state" / step / "trainer.json"))["state"];
  left.erase("elapsed_s");
  right.erase("elapsed_s");
  BOOST_TEST(left == right);
  const auto rows_a = test::read_csv(a / "training_log.csv");
  const auto rows_b = test::read_csv(b / "training_log.csv");
  BOOST_REQUIRE_EQUAL(rows_a.size(), rows_b.size());
  for (std::size_t i = 0; i < rows_a.size(); ++i) {
    BOOST_TEST((rows_a[i].step == rows_b[i].step && rows_a[i].train == rows_b[i].train &&
                rows_a[i].eval == rows_b[i].eval));
  }
}

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Signal {
  int number;
  const char* text;
};
std::ostream& operator<<(std::ostream& out, const Signal& s) {
  return out << s.text;
}
const Signal kStops[] = {{SIGTERM, "signal 15 (SIGTERM"},
                         {SIGINT, "signal 2 (SIGINT"},
                         {SIGHUP, "signal 1 (SIGHUP"},
                         {SIGXCPU, "signal 24 (SIGXCPU"},
                         {SIGUSR1, "signal 10 (SIGUSR1"}};

}  // namespace

BOOST_AUTO_TEST_SUITE(e2e_signals)

BOOST_DATA_TEST_CASE(every_stop_saves_within_a_long_step, boost::unit_test::data::make(kStops), stop) {
  const test::TempDir out;
  Job job(train(out.path(), kLongStep));
  BOOST_REQUIRE_MESSAGE(job.wait_for("training: 0/3"), job.output());
  BOOST_REQUIRE(job.wait_for("eval 0."));
  job.signal(stop.number);
  BOOST_TEST(seconds_of([&] { job.finish(); }) < 30.0);
  BOOST_TEST(job.finish() == 75, job.output());
  BOOST_TEST(job.says(std::string(stop.text) + kSaving), job.output());
  BOOST_TEST(latest(out.path()) == "step_00000000\n");
}

BOOST_AUTO_TEST_CASE(a_stop_in_accumulation_changes_no_bit) {
  const test::TempDir whole, broken;
  const std::string flags = "--max-steps 4 --accumulation-steps 60 --resume auto";
  BOOST_REQUIRE_EQUAL(test::run(train(whole.path(), flags)).code, 0);
  for (const char* at : {"step 1/4", "step 3/4"}) {
    Job job(train(broken.path(), flags));
    BOOST_REQUIRE_MESSAGE(job.wait_for(at), job.output());
    job.signal(SIGTERM);
    BOOST_TEST(job.finish() == 75, job.output());
  }
  const auto rest = test::run(train(broken.path(), flags));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  same_end(whole.path(), broken.path(), "step_00000004");
}

BOOST_AUTO_TEST_CASE(one_rank_is_asked_and_all_stop_in_accumulation) {
  const test::TempDir out;
  Job job(test::mpirun(2, train(out.path(), kLongStep)));
  BOOST_REQUIRE_MESSAGE(job.wait_for("eval 0."), job.output());
  const auto rank = test::run("pgrep -n -P $(pgrep -P " + std::to_string(job.pid()) + " mpirun)");
  BOOST_REQUIRE_MESSAGE(rank.code == 0, rank.output);
  ::kill(std::stoi(rank.output), SIGTERM);
  BOOST_TEST(job.finish() == 75, job.output());
  BOOST_TEST(job.says("signal 15 (SIGTERM): state saved at step 0"), job.output());
}

BOOST_AUTO_TEST_CASE(usr2_makes_a_dump_and_changes_nothing) {
  const test::TempDir whole, asked;
  const std::string flags = "--max-steps 4 --accumulation-steps 60";
  BOOST_REQUIRE_EQUAL(test::run(train(whole.path(), flags)).code, 0);
  Job job(train(asked.path(), flags));
  BOOST_REQUIRE_MESSAGE(job.wait_for("step 1/4"), job.output());
  job.signal(SIGUSR2);
  BOOST_TEST(job.finish() == 0, job.output());
  BOOST_TEST(job.says("signal 12 (SIGUSR2): a dump is written, the work goes on"), job.output());
  BOOST_REQUIRE(job.says("dump: "));
  std::size_t dumps = 0;
  for (const auto& entry : fs::directory_iterator(asked / "flight"))
    dumps += entry.path().filename().string().ends_with("_rank0.json") ? 1U : 0U;
  BOOST_TEST(dumps == 1u);
  same_end(whole.path(), asked.path(), "step_00000004");
}

BOOST_AUTO_TEST_CASE(nohup_is_honoured) {
  const test::TempDir out;
  Job job("env --ignore-signal=HUP " + train(out.path(), "--max-steps 2 --accumulation-steps 60"));
  BOOST_REQUIRE_MESSAGE(job.wait_for("training: 0/2"), job.output());
  job.signal(SIGHUP);
  BOOST_TEST(job.finish() == 0, job.output());
}

BOOST_AUTO_TEST_CASE(in_the_first_evaluation_nothing_is_saved) {
  const test::TempDir work;
  const std::string cache = test::many_shards(work / "cache", 40).string();
  const fs::path imported = work / "imported";
  BOOST_REQUIRE_EQUAL(
      test::run(test::bin("anemll_cache") + " import " + cache + " " + imported.string()).code, 0);
  const std::string flags =
      "--max-steps 2 --eval-samples 1280 --eval-steps 1 --resume auto --cache-dir " + imported.string();
  const fs::path out = work / "out";
  for (const int ranks : {1, 2}) {
    Job job(test::mpirun(ranks, train(out, flags)));
    BOOST_REQUIRE_MESSAGE(job.wait_for("libraries"), job.output());  // of the memory plan
    job.signal(SIGTERM);
    BOOST_TEST(job.finish() == 75, job.output());
    BOOST_TEST(job.says(kNothingYet), job.output());
    BOOST_TEST(job.says("stopped: signal "), job.output());
    BOOST_TEST(!fs::exists(out / "training_log.csv"));
    BOOST_TEST(latest(out) == "none\n");
  }

  // One in the middle of a run is done again: each of its rows stands once in the log.
  const fs::path whole = work / "whole";
  const auto straight = test::run(train(whole, flags));
  BOOST_REQUIRE_MESSAGE(straight.code == 0, straight.output);
  {
    Job job(train(out, flags));
    BOOST_REQUIRE_MESSAGE(job.wait_for("step 1/2  loss"), job.output());
    job.signal(SIGHUP);
    BOOST_TEST(job.finish() == 75, job.output());
    BOOST_TEST(latest(out) == "step_00000001\n");
    BOOST_TEST(!job.says("step 1/2  eval"), job.output());
  }
  {
    Job job(train(out, flags));  // in the evaluation that was left, once more
    BOOST_REQUIRE_MESSAGE(job.wait_for("libraries"), job.output());
    job.signal(SIGHUP);
    BOOST_TEST(job.finish() == 75, job.output());
    BOOST_TEST(!job.says("step 1/2  eval"), job.output());
  }
  const auto rest = test::run(train(out, flags));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  same_end(whole, out, "step_00000002");
  BOOST_TEST(test::read_all(whole / "best_state_dict.pt") == test::read_all(out / "best_state_dict.pt"));
}

BOOST_AUTO_TEST_CASE(in_the_teacher_pass_of_an_evaluation) {
  const test::TempDir work;
  std::string text;
  for (int i = 0; i < 4000; ++i) text += "The cat sat on mat number " + std::to_string(i) + " and slept.\n";
  std::ofstream(work / "text") << text;
  Job job(train(work / "out", "--max-steps 1 --eval-ctx 16 --eval-chunks 0 --eval-text " +
                                  (work / "text").string() + " --teacher-model " +
                                  test::golden("nano").string()));
  BOOST_REQUIRE_MESSAGE(job.wait_for("running the teacher"), job.output());
  job.signal(SIGTERM);
  BOOST_TEST(job.finish() == 75, job.output());
  BOOST_TEST(job.says("stopped: signal 15 (SIGTERM) while "), job.output());
}

BOOST_AUTO_TEST_CASE(in_scale_init) {
  const test::TempDir out;
  for (const int ranks : {1, 2}) {
    Job job(test::mpirun(
        ranks, train(out.path(), "--max-steps 1 --mlp-rank 4096 --attn-rank 4096", "--from-scratch")));
    BOOST_REQUIRE_MESSAGE(job.wait_for("scale init and freeze: 0/14"), job.output());
    job.signal(SIGTERM);
    BOOST_TEST(seconds_of([&] { job.finish(); }) < 30.0);
    BOOST_TEST(job.finish() == 75, job.output());
    BOOST_TEST(job.says(kNothingYet), job.output());
    BOOST_TEST(job.says("while choosing the scales of the layers"), job.output());
    BOOST_TEST(latest(out.path()) == "none\n");
  }
}

BOOST_AUTO_TEST_CASE(in_an_import_and_in_what_follows_it) {
  const test::TempDir work;
  const std::string cache = test::many_shards(work / "cache", 300).string();
  const fs::path made = work / "made";
  const std::string tool = test::bin("anemll_cache");
  const auto stopped = [](const std::string& command, const std::string& at, const std::string& during) {
    Job job(command);
    BOOST_REQUIRE_MESSAGE(job.wait_for(at), job.output());
    job.signal(SIGTERM);
    BOOST_TEST(job.finish() == 75, job.output());
    BOOST_TEST(job.says("signal 15 (SIGTERM): leaving"), job.output());
    BOOST_TEST(job.says("while " + during), job.output());
  };
  const std::string import = tool + " import " + cache + " " + made.string();
  stopped(import, "import: 0/9600", "importing a KD cache");
  BOOST_TEST(!fs::exists(made));
  BOOST_TEST(!fs::exists(work / "made.partial"));
  stopped(train(work / "out", "--max-steps 1 --cache-dir " + cache), "importing the KD cache: 0/",
          "importing a KD cache");
  BOOST_TEST(!fs::exists(work / "out/kd_cache"));
  BOOST_TEST(!fs::exists(work / "out/kd_cache.partial"));
  BOOST_REQUIRE_EQUAL(test::run(import).code, 0);
  stopped(tool + " verify " + made.string(), "verify: 0/9600", "verifying a KD cache");
  stopped(tool + " export " + made.string() + " " + (work / "back").string(), "export: 0/9600",
          "exporting a KD cache");
  BOOST_TEST(!fs::exists(work / "back"));
  BOOST_TEST(!fs::exists(work / "back.partial"));
}

BOOST_AUTO_TEST_CASE(ctrl_c_while_a_reader_shares_the_group) {
  const test::TempDir out;
  // Ctrl-C ends tee too; what the run says then goes nowhere.
  Job job("sh -c '" + train(out.path(), kLongStep) + " 2>&1 | tee " + (out / "log").string() + "'",
          Job::Output::terminal);
  BOOST_REQUIRE_MESSAGE(job.wait_for("eval 0."), job.output());
  job.type("\x03");
  job.finish();
  Job later("sleep 60");
  BOOST_TEST(later.until([&] { return latest(out.path()) == "step_00000000\n"; }));
}

BOOST_AUTO_TEST_CASE(a_terminal_that_goes_away_saves) {
  for (const int ranks : {1, 2}) {
    const test::TempDir out;
    Job job(test::mpirun(ranks, train(out.path(), kLongStep)), Job::Output::terminal);
    BOOST_REQUIRE_MESSAGE(job.wait_for("eval 0."), job.output());
    job.leave();
    BOOST_TEST(job.finish() == 75);
    BOOST_TEST(latest(out.path()) == "step_00000000\n");
  }
}

BOOST_AUTO_TEST_CASE(a_terminal_that_nobody_reads_keeps_no_run_from_saving) {
  const test::TempDir out;
  Job job(train(out.path(), "--max-steps 1000000"), Job::Output::terminal);
  BOOST_REQUIRE_MESSAGE(job.wait_for("step 5/"), job.output());
  // Its lines fill the terminal's buffer, then it waits: the CSV grows no more.
  std::uintmax_t size = 0;
  auto grown = std::chrono::steady_clock::now();
  BOOST_REQUIRE(job.until([&] {
    const auto now = std::chrono::steady_clock::now();
    const std::uintmax_t seen = fs::file_size(out / "training_log.csv");
    if (seen != size) grown = now;
    size = seen;
    return now - grown > std::chrono::milliseconds(700);
  }));
  job.signal(SIGTERM);
  BOOST_TEST(job.finish() == 75);
  BOOST_TEST(latest(out.path()) != "step_00000000\n");
}

BOOST_AUTO_TEST_CASE(closed_streams_are_no_files_of_a_run) {
  for (const char* closed : {"2>&-", "<&- >&- 2>&-"}) {
    const test::TempDir out;
    const auto result =
        test::run("sh -c 'exec timeout 60 " + train(out.path(), "--max-steps 3") + " " + closed + "'");
    BOOST_TEST(result.code == 0, closed);
    BOOST_TEST(latest(out.path()) == "step_00000003\n");
    for (const auto& entry : fs::recursive_directory_iterator(out.path())) {
      if (entry.is_regular_file())
        BOOST_TEST(test::read_all(entry.path()).find("step 3/3") == std::string::npos, entry.path());
    }
  }
}

BOOST_AUTO_TEST_CASE(readers_of_makers_may_leave) {
  for (const int ranks : {1, 2}) {
    const test::TempDir out;
    Job job(test::mpirun(ranks, train(out.path(), "--max-steps 3")));
    BOOST_REQUIRE_MESSAGE(job.wait_for("anemll_train"), job.output());
    job.leave();
    BOOST_TEST(job.finish() == 0);
    BOOST_TEST(latest(out.path()) == "step_00000003\n");
  }
  {
    const test::TempDir out;  // and a stop still saves
    Job job(train(out.path(), kLongStep));
    BOOST_REQUIRE_MESSAGE(job.wait_for("eval 0."), job.output());
    job.leave();
    job.signal(SIGTERM);
    BOOST_TEST(job.finish() == 75);
    BOOST_TEST(latest(out.path()) == "step_00000000\n");
  }
  const test::TempDir work;
  for (const std::string& command :
       {test::bin("anemll_cache") + " import " + nano("cache") + " " + (work / "made").string(),
        test::bin("anemll_cache") + " verify " + (work / "made").string(),
        test::bin("anemll_cache") + " export " + (work / "made").string() + " " + (work / "back").string(),
        test::bin("anemll_precompute") + " --teacher_model_name_or_path " + test::golden("nano").string() +
            " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
            " --dataset_format alpaca --threads 1 --max_length 16 --topk 4 --num_sequences 4 --output_dir " +
            (work / "teacher").string(),
        test::bin("anemll_snap") + " --checkpoint " + nano("v2_q2a4_trained.pt") + " --model-id " +
            test::golden("nano").string() + " --output " + (work / "snap").string()}) {
    Job job(command);
    job.leave();
    BOOST_TEST(job.finish() == 0, command);
  }
  for (const char* file : {"made/index.json", "back/meta.json", "teacher/index.json"})
    BOOST_TEST(fs::exists(work / file), file);
  BOOST_TEST(fs::exists(work / "snap/snap_report.json"));
}

BOOST_AUTO_TEST_CASE(filters_end_quietly_without_their_reader) {
  const test::TempDir work;
  const std::string cache = (work / "made").string();
  BOOST_REQUIRE_EQUAL(test::run(test::bin("anemll_cache") + " import " + nano("cache") + " " + cache).code,
                      0);
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += "{\"text\": \"one line of many that fill the pipe\"}\n";
  std::ofstream(work / "lines") << lines;
  const std::string errors = (work / "errors").string();
  const std::string encode =
      " encode --model-id " + test::golden("nano").string() + " --jsonl " + (work / "lines").string();
  const auto run_without_reader = [&](const std::string& command) {
    // bash, for the first one's exit code. The reader is gone before the command starts.
    return test::run("bash -c 'exec 3> >(exit) && sleep 0.05 && " + command + " >&3 2>" + errors + "'").code;
  };
  for (const std::string& command :
       {test::bin("anemll_tokenize") + encode, test::bin("anemll_cache") + " info " + cache,
        test::bin("anemll_cache") + " info --json " + cache, test::bin("anemll_cache") + " --help",
        test::bin("anemll_cache") + " import --help", test::bin("anemll_tokenize") + " --version",
        test::bin("anemll_train") + " --help", test::bin("anemll_train") + " --print-config",
        test::bin("anemll_precompute") + " --help", test::bin("anemll_snap") + " --help"}) {
    BOOST_TEST(run_without_reader(command) == 0, command);
    BOOST_TEST(test::read_all(errors) == "", command);
  }
  // A reader that has had enough of much.
  const auto some = test::run("bash -c 'set -o pipefail; " + test::bin("anemll_tokenize") + encode +
                              " | head -1 >/dev/null'");
  BOOST_TEST(some.code == 0, some.output);
  BOOST_TEST(some.output == "");
  // A disk that is full is another matter.
  for (const std::string& command : {encode, std::string(" --help")})
    BOOST_TEST(test::run(test::bin("anemll_tokenize") + command + " >/dev/full").code == 3, command);
  for (const std::string& command :
       {"anemll_cache info " + cache, "anemll_cache verify " + cache,
        std::string("anemll_train --print-config"), std::string("anemll_train --version"),
        std::string("anemll_calibrate --help")})
    BOOST_TEST(test::run(test::bin(command) + " >/dev/full").code == 3, command);
}

BOOST_AUTO_TEST_SUITE_END()
