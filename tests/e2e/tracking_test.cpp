// Logs for W&B and TensorBoard of a run or teacher pass that is killed and goes on: one run, each metric
// once. What cannot be written costs a warning, and what is told can be pasted.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"
#include "tests/support/wandb_records.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

std::vector<fs::path> runs_in(const fs::path& out) {
  std::vector<fs::path> runs;
  for (const auto& entry : fs::directory_iterator(out / "wandb")) runs.push_back(entry.path());
  return runs;
}

/// All records of its log.
std::string log_in(const fs::path& run) {
  std::string text;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (entry.path().extension() != ".wandb") continue;
    for (const std::string& record : test::wandb_records(test::read_all(entry.path()))) text += record;
  }
  return text;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

/// Lines of metrics.jsonl of that kind.
std::size_t lines_of(const fs::path& out, const std::string& kind) {
  return count(test::read_all(out / "metrics.jsonl"), "{\"kind\":\"" + kind + "\"");
}

/// A teacher pass into FOLDER/kd, with a run in FOLDER/wandb.
std::string precompute_command(const fs::path& folder, const std::string& flags) {
  return test::bin("anemll_precompute") + " --teacher_model_name_or_path " + test::golden("nano").string() +
         " --dataset_name " + test::golden("datasets/alpaca_40.json").string() +
         " --dataset_format alpaca_chat --enable_thinking all --max_length 32 --topk 16 --holdout 0 "
         "--batch_size 2 --dtype fp32 --threads 1 --wandb_project caches --output_dir " +
         (folder / "kd").string() + " " + flags;
}

const std::string kFlags = "--wandb --tensorboard --resume auto ";

}  // namespace

BOOST_AUTO_TEST_SUITE(tracking)

BOOST_AUTO_TEST_CASE(a_killed_run_goes_on_in_the_same_run) {
  const test::TempDir out;
  // Killed behind a few rows that no state has.
  const std::string command = test::train_command(
      out.path(), kFlags + "--logging-steps 1 --save-steps 7 --max-steps 4000 --eval-steps 0");
  const std::string csv = (out / "training_log.csv").string();
  const auto killed =
      test::run("{ " + command + " & child=$!; while kill -0 $child 2>/dev/null && [ $(cat " + csv +
                " 2>/dev/null | wc -l) -lt 40 ]; do sleep 0.02; done; kill -KILL $child; "
                "wait $child; }");
  BOOST_REQUIRE_EQUAL(killed.code, 137);
  BOOST_TEST(killed.output.find("wandb beta sync --live " + out.path().string()) != std::string::npos,
             killed.output);
  BOOST_REQUIRE_EQUAL(runs_in(out.path()).size(), 1U);
  const fs::path run = runs_in(out.path()).front();
  const std::string before = log_in(run);

  const auto rest = test::run(test::train_command(
      out.path(), kFlags + "--logging-steps 1 --save-steps 7 --max-steps 300 --eval-steps 0"));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  BOOST_TEST((runs_in(out.path()) == std::vector<fs::path>{run}));
  const std::string log = log_in(run);
  BOOST_TEST((log.substr(0, 200) == before.substr(0, 200)));
  // The history and the summary have each row, once.
  BOOST_TEST(count(log, "train/tokens_per_sec") == 2 * lines_of(out.path(), "train"));
  BOOST_TEST(count(log, "eval/loss") == 2 * lines_of(out.path(), "eval"));
  // The last line is what to type next.
  const std::string last = "wandb sync " + run.string() + "\n";
  BOOST_TEST(rest.output.ends_with(last), rest.output);

  std::size_t files = 0, losses = 0, closing = 0;
  for (const auto& entry : fs::directory_iterator(out / "tensorboard")) {
    ++files;
    losses += count(test::read_all(entry.path()), "train/tokens_per_sec");
    closing += count(test::read_all(entry.path()), "summary/final_loss");
  }
  BOOST_TEST(files == 2U);
  BOOST_TEST(closing == 1U);
  BOOST_TEST(losses == lines_of(out.path(), "train"));

  const auto summary = nlohmann::json::parse(test::read_all(run / "files/wandb-summary.json"));
  BOOST_TEST(summary.contains("summary/final_loss"));
  BOOST_TEST(summary.contains("best/eval_loss"));

  // A new run leaves the old one whole.
  const auto anew = test::run(test::train_command(out.path(), "--wandb --max-steps 3"));
  BOOST_REQUIRE_MESSAGE(anew.code == 0, anew.output);
  BOOST_TEST((log_in(out / "earlier-1/wandb" / run.filename()) == log));
  BOOST_TEST(fs::exists(out / "earlier-1/tensorboard"));
  BOOST_TEST(!fs::exists(out / "tensorboard"));
}

BOOST_AUTO_TEST_CASE(a_complete_run_ends_as_complete_again) {
  const test::TempDir out;
  BOOST_REQUIRE_EQUAL(test::run(test::train_command(out.path(), kFlags + "--max-steps 6")).code, 0);
  const fs::path run = runs_in(out.path()).front();
  const std::string log = log_in(run);
  const auto again = test::run(test::train_command(out.path(), kFlags + "--max-steps 6"));
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  BOOST_TEST((runs_in(out.path()) == std::vector<fs::path>{run}));
  BOOST_TEST(count(log_in(run), "train/tokens_per_sec") == count(log, "train/tokens_per_sec"));
  BOOST_TEST(again.output.ends_with("wandb sync " + run.string() + "\n"), again.output);
  // Another folder that goes on from its state is another run, which leaves this one as it is.
  const test::TempDir other;
  const std::string kept = log_in(run);
  const auto there = test::run(test::train_command(
      other.path(), "--wandb --max-steps 9 --resume " + (out / "state/step_00000006").string()));
  BOOST_REQUIRE_MESSAGE(there.code == 0, there.output);
  BOOST_TEST(runs_in(other.path()).size() == 1U);
  BOOST_TEST((runs_in(other.path()).front().filename() != run.filename()));
  BOOST_TEST((log_in(run) == kept));
}

BOOST_AUTO_TEST_CASE(logs_in_the_way_cost_a_warning_each) {
  const test::TempDir out;
  std::ofstream(out / "wandb") << "a file";
  std::ofstream(out / "tensorboard") << "a file";
  const auto run = test::run(test::train_command(out.path(), "--wandb --tensorboard --max-steps 12"));
  BOOST_TEST(run.code == 0, run.output);
  BOOST_TEST(count(run.output, "a log is not written, the run goes on") == 2U, run.output);
  BOOST_TEST(lines_of(out.path(), "train") == 3U);
}

// What is told for pasting is taken by a shell as one folder, whatever its name.
BOOST_AUTO_TEST_CASE(told_commands_can_be_pasted) {
  const test::TempDir dir;
  const fs::path out = dir / "it's run a";
  const auto run = test::run(test::train_command(std::string("\"").append(out.string()).append("\""),
                                                 "--wandb --tensorboard --max-steps 2"));
  BOOST_REQUIRE_MESSAGE(run.code == 0, run.output);
  const std::string wandb = runs_in(out).front().string();
  const std::pair<std::string, std::string> commands[] = {
      {"wandb sync ", wandb},
      {"wandb beta sync --live ", wandb},
      {"tensorboard --logdir ", (out / "tensorboard").string()}};
  for (const auto& [command, folder] : commands) {
    const std::size_t at = run.output.rfind(command);
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, run.output);
    const std::string words =
        run.output.substr(at + command.size(), run.output.find('\n', at) - at - command.size());
    BOOST_TEST(test::run("printf '%s|' " + words).output == folder + "|", words);
  }
}

BOOST_AUTO_TEST_CASE(a_killed_teacher_pass_goes_on_in_the_same_run) {
  const test::TempDir temp;
  const fs::path unit = temp / "kd.precompute/units/rows_000000000020.unit";
  const std::string flags = "--num_sequences 300 --shard_size 1000 --hf_token hf_secret ";
  const auto killed = test::run("{ " + precompute_command(temp.path(), flags) +
                                " & child=$!; while kill -0 $child 2>/dev/null && [ ! -e " + unit.string() +
                                " ]; do :; done; kill -9 $child; wait $child; }");
  BOOST_REQUIRE_EQUAL(killed.code, 137);
  BOOST_REQUIRE_EQUAL(runs_in(temp.path()).size(), 1U);
  const fs::path run = runs_in(temp.path()).front();
  const std::string before = log_in(run);
  BOOST_TEST(killed.output.find("wandb beta sync --live " + run.string()) != std::string::npos,
             killed.output);

  const auto rest = test::run(precompute_command(temp.path(), flags + "--resume"));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  BOOST_TEST((runs_in(temp.path()) == std::vector<fs::path>{run}));
  BOOST_TEST(rest.output.ends_with("wandb sync " + run.string() + "\n"), rest.output);
  const std::string log = log_in(run);
  BOOST_TEST((log.substr(0, before.size()) == before));  // what was told stays, and more comes
  BOOST_TEST(count(log, "precompute/tokens_per_sec") > count(before, "precompute/tokens_per_sec"));
  const auto summary = nlohmann::json::parse(test::read_all(run / "files/wandb-summary.json"));
  BOOST_TEST(summary.at("precompute/sequences") == 300);

  const std::string config = test::read_all(run / "files/config.yaml");
  for (const char* name :
       {"dataset_format", "dataset_split", "dataset_revision", "device", "teacher_model_name_or_path"})
    BOOST_TEST(count(config, std::string(name) + ":\n") == 1U, config);
  BOOST_TEST(count(config + log, "hf_secret") == 0U, config);
}

BOOST_AUTO_TEST_CASE(two_ranks_of_a_teacher_pass_write_one_run) {
  const test::TempDir temp;
  const std::string flags = "--num_sequences 300 --shard_size 1000 ";
  const auto stopped = test::run("{ " + test::mpirun(2, precompute_command(temp.path(), flags)) +
                                 " & child=$!; while kill -0 $child 2>/dev/null && [ ! -e " +
                                 (temp / "kd.precompute/units/rows_000000000000.unit").string() +
                                 " ]; do :; done; kill -TERM $child; wait $child; }");
  BOOST_REQUIRE_MESSAGE(stopped.code == 75, stopped.output);
  BOOST_REQUIRE_EQUAL(runs_in(temp.path()).size(), 1U);
  const fs::path run = runs_in(temp.path()).front();
  BOOST_TEST(count(stopped.output, "upload: wandb sync " + run.string() + "\n") == 1U, stopped.output);
  const auto rest = test::run(test::mpirun(2, precompute_command(temp.path(), flags + "--resume")));
  BOOST_REQUIRE_MESSAGE(rest.code == 0, rest.output);
  BOOST_TEST((runs_in(temp.path()) == std::vector<fs::path>{run}));
  BOOST_TEST(rest.output.ends_with("upload: wandb sync " + run.string() + "\n"), rest.output);
  BOOST_TEST(count(rest.output, "wandb sync ") == 1U, rest.output);
}

BOOST_AUTO_TEST_CASE(a_file_in_the_way_of_a_teacher_pass_costs_a_warning) {
  const test::TempDir temp;
  std::ofstream(temp / "wandb") << "a file";
  const auto run = test::run(precompute_command(temp.path(), "--num_sequences 8 "));
  BOOST_TEST(run.code == 0, run.output);
  BOOST_TEST(count(run.output, "a log is not written, the pass goes on") == 1U, run.output);
  BOOST_TEST(count(run.output, "wandb sync") == 0U, run.output);
  BOOST_TEST(fs::exists(temp / "kd/index.json"));
}

BOOST_AUTO_TEST_SUITE_END()
