// anemll_init as a user runs it: made, killed at random and gone on with, on ranks, trained from; and the
// same start inside of a training run.
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/train_run.hpp"

#include <chrono>
#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace anemll;
using namespace anemll::test;
namespace fs = std::filesystem;

namespace {

const std::string kNano = " --model-id " + golden("nano").string();

std::string init_command(const fs::path& output, const std::string& flags = "") {
  return bin("anemll_init") + kNano + " --cache-dir " + golden("nano/cache").string() +
         " --calibration-tokens 640 --config custom --mlp-lut 4 --mlp-rank 4 --attn-lut 16 --attn-rank 2" +
         " --group-size 16 --threads 1 --output " + output.string() + " " + flags;
}

std::string from_data_set(const fs::path& output, const std::string& flags = "") {
  return bin("anemll_init") + kNano + " --dataset_name " + golden("datasets/c4_demo.jsonl").string() +
         " --max_length 32 --calibration-tokens 640 --mlp-rank 4 --attn-rank 2 --group-size 16 --threads 1" +
         " --output " + output.string() + " " + flags;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_start_is_made_told_and_trained_from) {
  const TempDir dir;
  expect(run(from_data_set(dir / "start")), 0,
         {"block 1 of 2:", "block 2 of 2:", "start cd: KL", "start svd: KL"});
  BOOST_TEST(!fs::exists(dir / "start.start"));
  const auto report = nlohmann::json::parse(read_all(dir / "start" / "start_report.json"));
  BOOST_TEST(report["holdout"].size() == 2U);
  BOOST_TEST(report["blocks"][1]["linears"].size() == 7U);
  BOOST_TEST(report["kept"] == "cd");
  BOOST_TEST(nlohmann::json::parse(read_all(dir / "start" / "config.json"))["init"] == "cd");
  expect(run(train_command(dir / "run", "--max-steps 4", dir / "start" / "v2_init.pt")), 0, {});
  BOOST_TEST(fs::exists(dir / "run" / "best_state_dict.pt"));
}

BOOST_AUTO_TEST_CASE(linears_of_other_widths_start_and_train) {
  const TempDir dir;
  write_file(dir / "widths.json",
             R"({"layer_overrides": {"model.layers.1.mlp.up_proj": {"lut_bits": 4, "scale_rank": 2}}})");
  expect(run(from_data_set(dir / "start", "--layer-overrides " + (dir / "widths.json").string())), 0, {});
  const auto config = nlohmann::json::parse(read_all(dir / "start" / "config.json"));
  BOOST_TEST(config["layer_overrides"]["model.layers.1.mlp.up_proj"]["lut_bits"] == 4);
  const TensorMap tensors = read_state_dict(dir / "start" / "v2_init.pt");
  BOOST_TEST(tensors.find("model.layers.1.mlp.up_proj.lut")->shape[0] == 16);
  BOOST_TEST(tensors.find("model.layers.0.mlp.up_proj.lut")->shape[0] == 4);
  expect(run(train_command(dir / "run", "--max-steps 2", dir / "start" / "v2_init.pt")), 0, {});
}

BOOST_AUTO_TEST_CASE(a_killed_start_goes_on_to_the_same_bytes) {
  const TempDir dir;
  BOOST_TEST_REQUIRE(run(init_command(dir / "whole")).code == 0);
  const auto whole = content_of(dir / "whole");
  bool killed = false;
  for (int delay_ms = 150; delay_ms < 3000; delay_ms += 200) {
    const std::chrono::milliseconds delay(delay_ms);
    if (!start_and_kill(init_command(dir / "killed", "--resume"), delay)) break;
    killed = true;
  }
  BOOST_TEST(killed);
  expect(run(init_command(dir / "killed", "--resume")), 0, {});
  const auto again = content_of(dir / "killed");
  BOOST_TEST((again.at("v2_init.pt") == whole.at("v2_init.pt")));
  BOOST_TEST((again.at("config.json") == whole.at("config.json")));
  BOOST_TEST((again.at("start_report.json") == whole.at("start_report.json")));
}

BOOST_AUTO_TEST_CASE(ranks_make_the_bytes_of_one) {
  const TempDir dir;
  BOOST_TEST_REQUIRE(run(init_command(dir / "one")).code == 0);
  for (const int ranks : {2, 4}) {
    const fs::path output = dir / std::to_string(ranks);
    expect(run(mpirun(ranks, init_command(output))), 0, {});
    BOOST_TEST((content_of(output) == content_of(dir / "one")));
  }
}

BOOST_AUTO_TEST_CASE(what_is_there_is_not_overwritten_unasked) {
  const TempDir dir;
  BOOST_TEST_REQUIRE(run(init_command(dir / "out")).code == 0);
  const auto before = content_of(dir / "out");
  refused(init_command(dir / "out"), 2, "a finished start is there");
  expect(run(init_command(dir / "out", "--resume")), 0, {"complete already"});
  refused(init_command(dir / "out", "--resume --init gptq"), 2, "a start of other options");
  BOOST_TEST((content_of(dir / "out") == before));
  expect(run(init_command(dir / "out", "--overwrite --init gptq")), 0, {"start gptq of"});
  BOOST_TEST((content_of(dir / "out") != before));

  fs::create_directories(dir / "mine");
  fs::copy_file(golden("nano/config.json"), dir / "mine" / "config.json");
  refused(init_command(dir / "mine", "--overwrite"), 2, "no start of this program");
}

BOOST_AUTO_TEST_CASE(wrong_options_are_refused_and_idle_ones_told) {
  const TempDir dir;
  refused(bin("anemll_init") + kNano + " --output " + (dir / "a").string(), 2, "no text is named");
  refused(init_command(dir / "a", "--dataset_name x.txt"), 2, "named twice");
  expect(run(init_command(dir / "a", "--init als --target-correction 0.5")), 0,
         {"--target-correction has no effect", "start als of"});
  expect(run(init_command(dir / "b", "--init svd")), 0, {"start svd of"});
}

BOOST_AUTO_TEST_CASE(a_training_run_makes_its_own_start) {
  const TempDir dir;
  const std::string common = bin("anemll_train") + kNano + " --cache-dir " + golden("nano/cache").string() +
                             " --config custom --mlp-lut 4 --mlp-rank 4 --attn-lut 16 --attn-rank 2" +
                             " --group-size 16 --calibration-tokens 640 --batch-size 4 --max-steps 2" +
                             " --eval-samples 8 --precision fp32 --threads 1 --output-dir ";
  expect(run(common + (dir / "run").string() + " --from-scratch --init cd"), 0,
         {"block 2 of 2:", "there is no held-out text"});
  BOOST_TEST(!fs::exists(dir / "run.start"));
  BOOST_TEST(run(common + (dir / "svd").string() + " --from-scratch").code == 0);
  const auto loss = [&](const char* name) {
    return std::stod(read_csv(dir / name / "training_log.csv").front().eval);
  };
  BOOST_TEST(loss("run") < loss("svd"));
  // Its tensors are those of anemll_init from the same rows.
  BOOST_TEST_REQUIRE(run(init_command(dir / "start")).code == 0);
  const TensorMap made = read_state_dict(dir / "start" / "v2_init.pt");
  const TensorMap began = read_state_dict(dir / "run" / "v2_scratch_initial.pt");
  for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._Q"}) {
    const std::string name = std::string("model.layers.1.mlp.down_proj") + suffix;
    const HostTensor a = made.find(name)->packed(), b = began.find(name)->packed();
    BOOST_TEST((std::string(reinterpret_cast<const char*>(a.data), a.bytes()) ==
                std::string(reinterpret_cast<const char*>(b.data), b.bytes())),
               name);
  }
  refused(
      common + (dir / "x").string() + " --init cd --v2-checkpoint " + golden("nano/v2_q2a4_init.pt").string(),
      2, "where there is no checkpoint");
  refused(common + (dir / "x").string() + " --from-scratch --init cd --freeze-all", 2, "--freeze-all");
}
