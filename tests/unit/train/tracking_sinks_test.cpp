// What the sinks for W&B and TensorBoard write of a run's end and of its samples, and what they tell.
#include "src/train/internal/tracking_sinks.hpp"

#include "tests/support/capture.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/wandb_records.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;
namespace fs = std::filesystem;

namespace {

const std::string kSummary =
    R"({"step": 4, "final_loss": 0.25, "time_s": {"loading": 2}, "files": ["best.pt"]})";

/// A short run with both sinks into `folder`; what it tells people.
std::string run_into(const fs::path& folder) {
  fs::create_directories(folder);
  TrainOptions o;
  o.output_dir = folder.string();
  o.wandb = o.tensorboard = true;
  test::Capture told(2);
  for (const std::unique_ptr<MetricsSink>& sink : make_tracking_sinks(o, "{}")) {
    EvaluationRecord e;
    e.step = 4;
    e.samples = {{"Hi", "there"}};
    sink->eval(e);
    sink->summary(kSummary);
    sink->sync();
    sink->end({4, 0, ""});
  }
  return told.text();
}

std::vector<fs::path> files_in(const fs::path& folder, const std::string& ending) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().string().ends_with(ending)) files.push_back(entry.path());
  }
  return files;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tracking_sinks)

BOOST_AUTO_TEST_CASE(both_get_the_closing_figures) {
  const test::TempDir dir;
  (void)run_into(dir / "run");
  std::string logs[2];
  for (const fs::path& file : files_in(dir / "run/tensorboard", "")) logs[0] += test::read_all(file);
  BOOST_TEST(has(logs[0], "best.pt"));  // no number: a text
  for (const fs::path& file : files_in(dir / "run/wandb", ".wandb")) logs[1] += test::read_all(file);
  for (const std::string& log : logs) {
    BOOST_TEST(has(log, "summary/final_loss"));
    BOOST_TEST(has(log, "summary/time_s/loading"));
  }
}

BOOST_AUTO_TEST_CASE(samples_stand_at_their_step) {
  const test::TempDir dir;
  (void)run_into(dir / "run");
  const std::vector<fs::path> logs = files_in(dir / "run/wandb", ".wandb");
  BOOST_REQUIRE(logs.size() == 1U);
  std::size_t rows = 0;
  for (const std::string& record : test::wandb_records(test::read_all(logs.front()))) {
    if (!has(record, "table-file")) continue;  // in the history and the summary
    ++rows;
    BOOST_TEST(has(record, "train/step"), record);
  }
  BOOST_TEST(rows == 2U);
}

BOOST_AUTO_TEST_CASE(told_commands_have_one_word_for_the_folder) {
  const test::TempDir dir;
  const std::string told = run_into(dir / "run a");
  const std::string folder = dir.path().string() + "/run a/";
  BOOST_TEST(has(told, "wandb beta sync --live '" + folder + "wandb/offline-run-"), told);
  BOOST_TEST(has(told, "wandb sync '" + folder + "wandb/offline-run-"), told);
  BOOST_TEST(has(told, "tensorboard --logdir '" + folder + "tensorboard'"), told);
  const std::string plain = run_into(dir / "run");
  BOOST_TEST(has(plain, "tensorboard --logdir " + (dir / "run/tensorboard").string() + "\n"), plain);
}

BOOST_AUTO_TEST_SUITE_END()
