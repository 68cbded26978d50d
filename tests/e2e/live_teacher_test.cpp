// A run whose cache has no hidden states: --teacher-model is run on every batch, and the result is that of a
// cache which has them.
#include "anemll/core/log.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/train_run.hpp"

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

// The teacher's products sum in another order for another number of rows, and the hidden states are halves:
// of 3e-3 relative, of which a divergence of nearby distributions shows a part.
constexpr double kHalves = 2e-3;

void make_cache(const fs::path& out, const std::string& payload) {
  expect(run(bin("anemll_precompute") + " --teacher_model_name_or_path " + golden("nano").string() +
             " --dataset_name " + golden("datasets/c4_demo.jsonl").string() +
             " --max_length 32 --topk 4 --num_sequences 200 --holdout 0.3 --dtype fp32 --batch_size 16 "
             "--threads 1" +
             " --payload " + payload + " --output_dir " + out.string()),
         0, {});
}

std::string train(const fs::path& cache, const fs::path& out, const std::string& flags) {
  return bin("anemll_train") + " --v2-checkpoint " + golden("nano/v2_q2a4_init.pt").string() +
         " --model-id " + golden("nano").string() + " --cache-dir " + cache.string() + " --output-dir " +
         out.string() +
         " --kd-objective exact --temperature 1 --batch-size 8 --lr 1e-3 --warmup-steps 1 --max-steps 8" +
         " --eval-steps 4 --eval-samples 8 --logging-steps 1 --state-steps 1 --precision fp32 --threads 1 " +
         flags;
}

const std::string kTeacher = " --teacher-model " + golden("nano").string() + " ";

std::vector<double> losses(const fs::path& out, const std::string& kind, const std::string& key) {
  std::istringstream lines(read_all(out / "metrics.jsonl"));
  std::vector<double> found;
  for (std::string line; std::getline(lines, line);) {
    const auto one = nlohmann::json::parse(line);
    if (one["kind"] == kind) found.push_back(one[key].get<double>());
  }
  return found;
}

std::string best(const fs::path& out) {
  return read_all(out / "best_state_dict.pt");
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_live_teacher_says_what_a_cache_would) {
  const TempDir dir;
  make_cache(dir / "with", "topk,hidden");
  make_cache(dir / "without", "topk");
  refused(train(dir / "without", dir / "none", ""), 3, "needs the teacher's hidden states");
  expect(run(train(dir / "with", dir / "cached", "")), 0, {});
  expect(run(train(dir / "without", dir / "live", kTeacher)), 0, {"is run on each batch"});
  for (const auto& [kind, key] : {std::pair("train", "kl"), std::pair("eval", "holdout_kl")}) {
    const std::vector<double> cached = losses(dir / "cached", kind, key),
                              live = losses(dir / "live", kind, key);
    BOOST_REQUIRE(cached.size() == live.size());
    BOOST_TEST(cached.size() >= 4U);
    for (std::size_t i = 0; i < cached.size(); ++i)
      BOOST_TEST(std::abs(live[i] / cached[i] - 1) < kHalves,
                 kind << " " << i << ": " << live[i] << " " << cached[i]);
    BOOST_TEST(live.back() < live.front());
  }
}

BOOST_AUTO_TEST_CASE(a_run_with_a_live_teacher_repeats_its_bytes) {
  const TempDir dir;
  make_cache(dir / "cache", "topk");
  for (const int ranks : {1, 2}) {
    const fs::path whole = dir / strf("whole%d", ranks), stopped = dir / strf("stopped%d", ranks);
    const auto job = [&](const fs::path& out, const std::string& flags) {
      return mpirun(ranks, train(dir / "cache", out, kTeacher + flags));
    };
    expect(run(job(whole, "")), 0, {});
    expect(run(job(stopped, "")), 0, {});
    BOOST_TEST((best(whole) == best(stopped)));
    // From a state in its middle.
    fs::remove(stopped / "best_state_dict.pt");
    expect(run(job(stopped, "--resume " + (stopped / "state" / "step_00000007").string())), 0, {"resumed"});
    BOOST_TEST((best(whole) == best(stopped)));
  }
}
