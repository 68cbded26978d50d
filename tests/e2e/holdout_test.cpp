// Held-out text by its source: kept apart in a cache, told by evaluations, and what chooses the best of a
// run.
#include "anemll/core/file.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/train_run.hpp"

#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

// A figure is written with nine digits.
constexpr double kWritten = 1e-7;

/// A cache of two sources with hidden states, of which a third is held out. The second is one file of plain
/// text.
void make_cache(const fs::path& folder) {
  std::string corpus;
  for (int line = 0; line < 12000; ++line) corpus += "The number " + std::to_string(line) + ".\n";
  write_file(folder / "corpus.txt", corpus);
  const std::string both = golden("datasets/alpaca_40.json").string() + "=alpaca_chat:0.5," +
                           (folder / "corpus.txt").string() + ":0.5";
  expect(run(bin("anemll_precompute") + " --teacher_model_name_or_path " + golden("nano").string() +
             " --dataset_name " + both +
             " --cut-corpora --max_length 32 --topk 8 --num_sequences 500 --holdout 0.33" +
             " --payload topk,lse,hidden --batch_size 64 --threads 1 --output_dir " +
             (folder / "cache").string()),
         0, {});
}

std::string train(const fs::path& cache, const fs::path& out, const std::string& flags,
                  const std::string& objective = "exact") {
  return bin("anemll_train") + " --v2-checkpoint " + golden("nano/v2_q2a4_init.pt").string() +
         " --model-id " + golden("nano").string() + " --cache-dir " + cache.string() + " --output-dir " +
         out.string() + " --kd-objective " + objective +
         " --temperature 1 --batch-size 8 --warmup-steps 1 --eval-steps 2 --eval-samples 16" +
         " --precision fp32 --threads 1 " + flags;
}

std::vector<nlohmann::json> evaluations(const fs::path& out) {
  std::istringstream lines(read_all(out / "metrics.jsonl"));
  std::vector<nlohmann::json> found;
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json one = nlohmann::json::parse(line);
    if (one["kind"] == "eval") found.push_back(std::move(one));
  }
  return found;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_best_is_that_of_held_out_text_of_all_sources) {
  const TempDir dir;
  make_cache(dir.path());
  const auto meta = nlohmann::json::parse(read_all(dir / "cache" / "index.json"))["meta"]["anemll"];
  for (const auto& source : meta["sources"]) BOOST_TEST(source["holdout_sequences"].get<int>() > 8);
  BOOST_TEST(meta["sources"][1]["documents"].get<int>() > 1);  // the corpus is no single document

  expect(run(train(dir / "cache", dir / "run", "--lr 1e-3 --max-steps 6")), 0, {});
  const auto evals = evaluations(dir / "run");
  BOOST_REQUIRE(evals.size() == 4U);  // start, and steps 2, 4 and 6
  for (const auto& eval : evals) {
    BOOST_REQUIRE(eval["holdout_sources"].size() == 2U);
    double mean = 0;
    for (const auto& source : eval["holdout_sources"]) {
      BOOST_TEST(source["positions"] == 8 * 31);
      mean += source["kl_mean"].get<double>() / 2;
    }
    BOOST_TEST(std::abs(eval["holdout_kl"].get<double>() / mean - 1) < kWritten);
  }
  BOOST_TEST(evals[3]["new_best"] == true);
  BOOST_TEST(evals[3]["holdout_kl"].get<double>() < evals[0]["holdout_kl"].get<double>());

  // The same sequences, scored by the program for it.
  const Answer scored = ask(bin("anemll_eval") + " " + (dir / "run" / "best_state_dict.pt").string() +
                            " --model-id " + golden("nano").string() + " --cache-dir " +
                            (dir / "cache").string() + " --cache-part holdout --chunks 8 --json --threads 1");
  BOOST_TEST(scored.code == 0, scored.log);
  const auto report = nlohmann::json::parse(scored.out);
  BOOST_TEST(report["sources"].size() == 2U);
  // Hidden states are halves in the cache, and are computed by the program.
  constexpr double kHalves = 0.02;
  for (const auto& part : report["parts"]) {
    if (part["by"] != "source") continue;
    const bool first = says(part["part"].get<std::string>(), "alpaca");
    const double told = evals[3]["holdout_sources"][first ? 0 : 1]["kl_mean"].get<double>();
    BOOST_TEST(std::abs(part["kl"].get<double>() / told - 1) < kHalves);
  }
}

BOOST_AUTO_TEST_CASE(training_does_not_make_a_start_worse) {
  const TempDir dir;
  make_cache(dir.path());
  expect(run(train(dir / "cache", dir / "run", "--lr 1 --max-steps 6")), 0, {"no evaluation beat the start"});
  const auto evals = evaluations(dir / "run");
  for (std::size_t i = 1; i < evals.size(); ++i) {
    BOOST_TEST(evals[i]["new_best"] == false);
    BOOST_TEST(evals[i]["holdout_kl"].get<double>() > evals[0]["holdout_kl"].get<double>());
  }
  expect(run(train(dir / "cache", dir / "still", "--lr 0 --max-steps 1")), 0, {});
  BOOST_TEST(
      (read_all(dir / "run" / "best_state_dict.pt") == read_all(dir / "still" / "best_state_dict.pt")));
  // A run that goes on remembers what is to be beaten.
  expect(run(train(dir / "cache", dir / "run", "--lr 1 --max-steps 8 --resume auto")), 0,
         {"no evaluation beat the start"});
  refused(train(golden("nano/cache"), dir / "none", "--best-by holdout --max-steps 1", "topk"), 2,
          "is not known");
}
