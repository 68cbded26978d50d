// Runs that end before their last step, by --patience and --max-time: whole, and able to go on. And what a
// run says of its time.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;

namespace {

std::string command(const fs::path& out, const std::string& flags) {
  return test::bin("anemll_train") + " --model-id " + test::golden("nano").string() + " --cache-dir " +
         test::golden("nano/cache").string() + " --output-dir " + out.string() +
         " --precision fp32 --threads 1 --batch-size 4 --eval-samples 2 --warmup-steps 0 --v2-checkpoint " +
         test::golden("nano/v2_q2a4_init.pt").string() + " " + flags;
}

/// The closing figures, of the last process that wrote some.
json summary_of(const fs::path& out) {
  json last;
  std::ifstream file(out / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const json object = json::parse(line);
    if (object.at("kind") == "summary") last = object.at("summary");
  }
  return last;
}

/// Whether the run wrote its last files: the two under the scheme's name.
bool has_last_files(const fs::path& out) {
  int found = 0;
  for (const auto& entry : fs::directory_iterator(out))
    found += entry.path().filename().string().starts_with("v2_q2a4_") ? 1 : 0;
  return found >= 2;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(early_end)

BOOST_AUTO_TEST_CASE(patience_ends_a_run_that_no_longer_improves) {
  const test::TempDir out;
  // Nothing changes at rate 0, so no evaluation is a new best.
  const std::string flags = "--lr 0 --max-steps 20 --eval-steps 1 ";
  expect(test::run(command(out.path(), flags + "--patience 3")), 0,
         {"--patience ends the run at step 3 of 20"});
  BOOST_TEST(summary_of(out.path()).at("step") == 3);
  BOOST_TEST(summary_of(out.path()).at("ended_by") == "--patience");
  BOOST_TEST(has_last_files(out.path()));
  BOOST_TEST(fs::exists(out / "best_state_dict.pt"));
  // The same command again trains nothing; a larger patience goes on with what was counted.
  expect(test::run(command(out.path(), flags + "--patience 3 --resume auto")), 0,
         {"nothing to train: the run is complete at step 3, where --patience ended it"});
  expect(test::run(command(out.path(), flags + "--patience 5 --resume auto")), 0,
         {"--patience ends the run at step 5 of 20", "patience: 3 -> 5"});
  BOOST_TEST(summary_of(out.path()).at("step") == 5);
}

BOOST_AUTO_TEST_CASE(a_run_that_improves_needs_none) {
  const test::TempDir out;
  const auto result = test::run(command(out.path(), "--lr 5e-4 --max-steps 4 --eval-steps 2 --patience 2"));
  expect(result, 0, {});
  BOOST_TEST(!says(result, "ends the run"), result.output);
  BOOST_TEST(!summary_of(out.path()).contains("ended_by"));
  BOOST_TEST(summary_of(out.path()).at("step") == 4);
}

BOOST_AUTO_TEST_CASE(a_time_that_is_up_ends_a_run_and_the_next_goes_on) {
  const test::TempDir out;
  const std::string flags = "--lr 5e-4 --max-steps 3 ";
  const auto ended = test::run(test::mpirun(2, command(out / "parts", flags + "--max-time 1e-6")));
  expect(ended, 0, {"--max-time ends the run at step 1 of 3"});
  BOOST_TEST(summary_of(out / "parts").at("ended_by") == "--max-time");
  BOOST_TEST(has_last_files(out / "parts"));
  expect(test::run(test::mpirun(2, command(out / "parts", flags + "--resume auto"))), 0,
         {"resumed ", " at step 1 of 3"});
  BOOST_TEST(summary_of(out / "parts").at("step") == 3);
  BOOST_REQUIRE_EQUAL(test::run(test::mpirun(2, command(out / "whole", flags))).code, 0);
  BOOST_TEST(test::read_all(out / "parts/state/step_00000003/parameters.safetensors") ==
             test::read_all(out / "whole/state/step_00000003/parameters.safetensors"));
}

BOOST_AUTO_TEST_CASE(a_run_says_where_its_time_went) {
  const test::TempDir out;
  const std::string trace = " --trace " + (out / "run/trace.json").string();
  const auto result = test::run(
      test::mpirun(2, command(out / "run", "--lr 5e-4 --max-steps 3 --accumulation-steps 2" + trace)));
  expect(result, 0, {"time ", "%, rest ", ", rest "});
  const json parts = summary_of(out / "run").at("time_s");
  for (const char* part : {"start", "forward", "head", "backward", "update", "evaluation", "files"})
    BOOST_TEST(parts.at(part).get<double>() > 0, part);
  for (const auto& [name, seconds] : parts.items()) BOOST_TEST(seconds.get<double>() >= 0, name);

  for (const int rank : {0, 1}) {
    const fs::path file = out / ("run/trace.rank" + std::to_string(rank) + ".json");
    const json events = json::parse(test::read_all(file)).at("traceEvents");
    int forwards = 0;
    std::set<int> steps;
    for (const json& event : events) {
      if (event.at("name") != "forward") continue;
      ++forwards;
      steps.insert(event.at("args").at("step").get<int>());
      BOOST_TEST(event.at("pid") == rank);
    }
    BOOST_TEST(forwards == 6);  // micro-steps
    BOOST_TEST(steps == (std::set<int>{1, 2, 3}), boost::test_tools::per_element());
  }
  expect(test::run(command(out / "other", "--max-steps 1 --trace " + (out / "none/t.json").string())), 2,
         {"there is no folder for this file"});
}

BOOST_AUTO_TEST_SUITE_END()
