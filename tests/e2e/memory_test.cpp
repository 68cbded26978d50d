// Runs that do not fit into the memory: refused before anything is made, with the batch that fits; that batch
// taken by itself. --memory-limit stands for a small machine.
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

// A step of all 64 rows needs more than this, a step of one row much less: a token has many negatives.
const std::string kTight = " --memory-limit 0.3 --sampled-ce-weight 1 --sampled-negatives 16384 ";

std::string command(const fs::path& out, const std::string& flags) {
  return test::bin("anemll_train") + " --model-id " + test::golden("nano").string() + " --cache-dir " +
         test::golden("nano/cache").string() + " --output-dir " + out.string() +
         " --precision fp32 --threads 1 --eval-samples 2 --warmup-steps 0 --v2-checkpoint " +
         test::golden("nano/v2_q2a4_init.pt").string() + " " + flags;
}

/// The number behind the first `words`.
long number_behind(const test::ToolResult& result, const std::string& words) {
  const std::size_t at = result.output.find(words);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, "no '" << words << "' in: " << result.output);
  return std::strtol(result.output.c_str() + at + words.size(), nullptr, 10);
}

nlohmann::json options_of(const fs::path& out, const std::string& step) {
  return nlohmann::json::parse(test::read_all(out / "state" / step / "trainer.json")).at("options");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(memory)

BOOST_AUTO_TEST_CASE(a_run_that_does_not_fit_is_refused_with_the_batch_that_does) {
  const test::TempDir out;
  const auto refused = test::run(command(out / "a", "--batch-size 64 --max-steps 1" + kTight));
  expect(refused, 2,
         {"Memory per rank", "does not fit into the memory of ", "1 rank needs about ",
          "the largest batch that fits is ", "--accumulation-steps", "--force"});
  BOOST_TEST(!fs::exists(out / "a/state"));
  const long largest = number_behind(refused, "the largest batch that fits is ");
  BOOST_TEST(largest > 1);
  BOOST_TEST(largest < 64);
  const std::string fits = "--dry-run --batch-size " + std::to_string(largest) + kTight;
  expect(test::run(command(out / "b", fits)), 0, {"Memory per rank"});
  BOOST_TEST(number_behind(test::run(command(out / "c", "--dry-run --batch-size auto" + kTight)),
                           "--batch-size auto: ") == largest);
  // A dry run says what the run would say, and --force is the way past it.
  expect(test::run(command(out / "d", "--dry-run --batch-size 64" + kTight)), 2, {"does not fit"});
  expect(test::run(command(out / "e", "--dry-run --force --batch-size 64" + kTight)), 0,
         {"warning", "does not fit", "started by --force"});
  expect(test::run(command(out / "f", "--dry-run --batch-size 1 --memory-limit 0.01")), 2,
         {"not even one sequence a rank fits", "--gradient-checkpointing"});
}

BOOST_AUTO_TEST_CASE(the_ranks_of_a_host_share_it) {
  const test::TempDir out;
  // One rank has room for its program and libraries, two have not.
  const std::string flags = "--dry-run --batch-size 2 --memory-limit 0.3";
  expect(test::run(command(out / "a", flags)), 0, {"Memory per rank"});
  const auto both = test::run(test::mpirun(2, command(out / "b", flags)));
  expect(both, 2, {"2 ranks need about ", "fewer ranks on a host"});
}

BOOST_AUTO_TEST_CASE(auto_is_kept_as_if_it_had_been_typed) {
  const test::TempDir out;
  const std::string steps = "--max-steps 2 --save-steps 1 ";
  const auto chosen = test::run(command(out / "auto", steps + "--batch-size auto"));
  expect(chosen, 0, {"--batch-size auto: 64, the largest that fits"});  // the cache has no more rows
  BOOST_TEST(options_of(out / "auto", "step_00000001").at("batch-size") == 64);
  BOOST_REQUIRE_EQUAL(test::run(command(out / "typed", steps + "--batch-size 64")).code, 0);
  for (const char* file : {"parameters.safetensors", "optimizer.safetensors"})
    BOOST_TEST(test::read_all(out / "auto/state/step_00000002" / file) ==
                   test::read_all(out / "typed/state/step_00000002" / file),
               file);
  // A run that goes on keeps its batch, whatever is free by now.
  const auto resumed = test::run(
      command(out / "auto", "--batch-size auto --resume auto --max-steps 3 --force --memory-limit 0.2"));
  expect(resumed, 0, {"--batch-size auto: 64, that of the saved run", "max-steps: 2 -> 3"});
  BOOST_TEST(!says(resumed, "batch-size: "), resumed.output);
  BOOST_TEST(options_of(out / "auto", "step_00000003").at("batch-size") == 64);
  expect(test::run(command(out / "x", "--batch-size Auto")), 2, {"1 to 1048576, or auto"});
}

BOOST_AUTO_TEST_SUITE_END()
