// The same global batch gives the same run, however it is split over ranks and micro-steps.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace test = anemll::test;

namespace {

constexpr double kFirst20 = 1e-5;  // fp32 sums in another order
constexpr double kAll200 = 1e-4;   // the same, amplified by 200 updates
constexpr int kSteps = 200;

struct Run {
  std::vector<double> loss, grad_norm;
};

Run train(int ranks, const std::string& flags) {
  const test::TempDir out;
  const std::string command =
      test::bin("anemll_train") + " --v2-checkpoint " + test::golden("nano/v2_q2a4_init.pt").string() +
      " --model-id " + test::golden("nano").string() + " --cache-dir " + test::golden("nano/cache").string() +
      " --output-dir " + out.path().string() + " --max-steps " + std::to_string(kSteps) +
      " --lr 5e-4 --warmup-steps 5 --logging-steps 1 --eval-samples 0 --precision fp32 --threads 1 " + flags;
  const test::ToolResult result = test::run(test::mpirun(ranks, command));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  Run run;
  std::ifstream file(out / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto object = nlohmann::json::parse(line);
    if (object.at("kind") != "train") continue;
    run.loss.push_back(object.at("loss").get<double>());
    run.grad_norm.push_back(object.at("grad_norm").get<double>());
  }
  BOOST_REQUIRE_EQUAL(run.loss.size(), static_cast<std::size_t>(kSteps));
  return run;
}

void compare(const Run& expected, const Run& got) {
  for (std::size_t i = 0; i < expected.loss.size(); ++i) {
    const double tolerance = i < 20 ? kFirst20 : kAll200;
    BOOST_TEST(std::abs(got.loss[i] / expected.loss[i] - 1) <= tolerance, "loss, step " << i + 1);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ranks)

BOOST_AUTO_TEST_CASE(ranks_and_micro_steps_agree) {
  const Run one = train(1, "--batch-size 8");
  compare(one, train(2, "--batch-size 8"));
  compare(one, train(4, "--batch-size 8"));
  compare(one, train(1, "--batch-size 4 --accumulation-steps 2"));
  compare(one, train(2, "--batch-size 4 --accumulation-steps 2"));
}

BOOST_AUTO_TEST_CASE(uneven_slices_agree) {
  compare(train(1, "--batch-size 6"), train(4, "--batch-size 6"));
}

BOOST_AUTO_TEST_CASE(same_rank_count_is_bitwise_equal) {
  const Run first = train(2, "--batch-size 8");
  const Run second = train(2, "--batch-size 8");
  BOOST_TEST(first.loss == second.loss);
  BOOST_TEST(first.grad_norm == second.grad_norm);
}

BOOST_AUTO_TEST_SUITE_END()
