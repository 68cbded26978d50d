// anemll_train_v1 as a user runs it: against the training logs of the Python reference, both kinds of tensors
// at once, snaps, resuming, attention that stays float, and what is refused.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace test = anemll::test;
namespace fs = std::filesystem;

namespace {

constexpr double kRelative = 1e-3;  // rounding grows with the steps
// Once a scale that moves takes a weight over the border between two indices, rounding is no longer small:
// start scales that are changed by 1e-6 of themselves move the later losses by up to 4e-3 of them. Training
// moves them by 0.14.
constexpr double kAfterFlips = 1e-2;
constexpr std::int64_t kBeforeFlips = 5;  // steps
const std::string kUp = "model.layers.0.mlp.up_proj", kQuery = "model.layers.1.self_attn.q_proj";

std::string model_and_cache() {
  return " --model-id " + test::golden("nano").string() + " --kd-cache-dir " +
         test::golden("nano/cache").string();
}

/// The layers of the goldens, and a run as theirs.
const std::string kLayers = " --lut-size 4 --attn-lut-size 16 --scale-rank 4 --group-size 2 --quantize-attn";
const std::string kRun = " --batch-size 4 --order sequential --dtype fp32 --threads 1 --eval-samples 16";

std::string command(const fs::path& out, const std::string& flags) {
  return test::bin("anemll_train_v1") + model_and_cache() + " --output-dir " + out.string() + kRun + flags;
}

std::string train(const fs::path& out, const std::string& flags) {
  const test::ToolResult result = test::run(command(out, flags));
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  return result.output;
}

/// `tolerance`: of the rows after the first steps.
void compare(const fs::path& log, const std::string& golden, double tolerance) {
  const auto expected = test::read_csv(test::golden("nano/trajectories/" + golden + ".csv"));
  const auto got = test::read_csv(log);
  BOOST_REQUIRE_EQUAL(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_TEST(got[i].step == expected[i].step);
    BOOST_TEST(got[i].lr == expected[i].lr);
    BOOST_TEST(got[i].train.empty() == expected[i].train.empty());
    const std::string& mine = got[i].train.empty() ? got[i].eval : got[i].train;
    const std::string& theirs = expected[i].train.empty() ? expected[i].eval : expected[i].train;
    const double value = std::stod(theirs);
    BOOST_TEST(
        std::abs(std::stod(mine) - value) <= (got[i].step <= kBeforeFlips ? kRelative : tolerance) * value,
        golden << " row " << i << ": " << mine << " for " << theirs);
  }
}

std::vector<float> floats(const anemll::TensorMap& state, const std::string& name) {
  const anemll::HostTensor* tensor = state.find(name);
  BOOST_REQUIRE_MESSAGE(tensor != nullptr, name);
  BOOST_REQUIRE((tensor->dtype == anemll::DType::f32));
  std::vector<float> values(static_cast<std::size_t>(tensor->numel()));
  std::memcpy(values.data(), tensor->data, values.size() * sizeof(float));
  return values;
}

bool same(const anemll::TensorMap& a, const anemll::TensorMap& b, const std::string& name) {
  return floats(a, name) == floats(b, name);
}

nlohmann::json config_of(const fs::path& folder) {
  return nlohmann::json::parse(std::ifstream(folder / "config.json"));
}

/// Every weight of the layer is its table's entry at the index of indices.pt.
void check_snapped(const fs::path& folder, const std::string& layer) {
  const anemll::TensorMap state = anemll::read_state_dict(folder / "model_state_dict.pt");
  const anemll::TensorMap all = anemll::read_state_dict(folder / "indices.pt");
  const anemll::HostTensor* indices = all.find(layer);
  BOOST_REQUIRE(indices != nullptr);
  BOOST_REQUIRE((indices->dtype == anemll::DType::u8));
  const std::vector<float> weight = floats(state, layer + ".weight");
  const std::vector<float> lut = floats(state, layer + ".lut");
  BOOST_REQUIRE(static_cast<std::size_t>(indices->numel()) == weight.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < weight.size(); ++i)
    wrong += lut.at(static_cast<std::size_t>(indices->data[i])) == weight[i] ? 0U : 1U;
  BOOST_TEST(wrong == 0U, layer);
}

/// The steps of the rows of kind `eval`.
std::vector<int> evaluated(const fs::path& folder) {
  std::vector<int> steps;
  std::ifstream file(folder / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    if (row.at("kind") == "eval") steps.push_back(row.at("step"));
  }
  return steps;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1)

BOOST_AUTO_TEST_CASE(weights_then_scales_follow_the_reference) {
  const test::TempDir work;
  const std::string steps = " --max-steps 40 --logging-steps 5 --eval-steps 20";
  train(work / "weights", kLayers + steps + " --lr 1e-4 --train-weights");
  compare(work / "weights/training_log.csv", "v1_weights", kRelative);
  train(work / "scales",
        " --init-state " + (work / "weights").string() + steps + " --lr 5e-4 --train-scales");
  compare(work / "scales/training_log.csv", "v1_scales", kAfterFlips);
  BOOST_TEST(evaluated(work / "scales") == (std::vector<int>{0, 20, 40}), boost::test_tools::per_element());
  const auto weights = anemll::read_state_dict(work / "weights/model_state_dict.pt");
  const auto scales = anemll::read_state_dict(work / "scales/model_state_dict.pt");
  BOOST_TEST(same(weights, scales, kUp + ".weight"));
  BOOST_TEST(!same(weights, scales, kUp + ".scale_A"));
}

BOOST_AUTO_TEST_CASE(both_are_trained_and_the_last_file_is_snapped) {
  const test::TempDir work;
  const std::string output = train(work / "run", kLayers +
                                                     " --max-steps 4 --lr 1e-4 --train-weights --train-scales"
                                                     " --snap-weights");
  BOOST_TEST(output.find("weights and scales are both trained") != std::string::npos);
  const auto best = anemll::read_state_dict(work / "run/best_state_dict.pt");
  const auto last = anemll::read_state_dict(work / "run/model_state_dict.pt");
  check_snapped(work / "run", kUp);
  check_snapped(work / "run", kQuery);
  BOOST_TEST(!same(best, last, kUp + ".weight"));  // the best is as trained
  const nlohmann::json config = config_of(work / "run");
  BOOST_TEST(config["snapped"].get<bool>());
  BOOST_TEST(config["snapped_mode"] == "lut");
  BOOST_TEST(config["lut_size"] == 4);
  BOOST_TEST(config["attn_lut_size"] == 16);
  BOOST_TEST(config["quantize_attn"].get<bool>());
  BOOST_TEST(config["train_scales"].get<bool>());

  // The best goes on; what is snapped does not.
  const std::string more = " --max-steps 1 --train-scales --init-state ";
  train(work / "more", more + (work / "run/best_state_dict.pt").string());
  const test::ToolResult refused = test::run(command(work / "no", more + (work / "run").string()));
  BOOST_TEST(refused.code == 2, refused.output);
  BOOST_TEST(refused.output.find("snapped") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_source_is_snapped_without_a_cache) {
  const test::TempDir work;
  const std::string snap = test::bin("anemll_train_v1") + " --model-id " + test::golden("nano").string() +
                           kLayers + " --skip-training --snap-weights --threads 1 --output-dir ";
  const test::ToolResult lut = test::run(snap + (work / "lut").string());
  BOOST_REQUIRE_MESSAGE(lut.code == 0, lut.output);
  BOOST_TEST(lut.output.find("not read") == std::string::npos, lut.output);
  check_snapped(work / "lut", kUp);
  const test::ToolResult baked =
      test::run(snap + (work / "baked").string() + " --snap-bake-scales --max-steps 3");
  BOOST_REQUIRE_MESSAGE(baked.code == 0, baked.output);
  BOOST_TEST(baked.output.find("these are not read: --max-steps") != std::string::npos, baked.output);
  BOOST_TEST(config_of(work / "baked")["snapped_mode"] == "baked");
  const auto a = anemll::read_state_dict(work / "lut/model_state_dict.pt");
  const auto b = anemll::read_state_dict(work / "baked/model_state_dict.pt");
  BOOST_TEST(same(a, b, kUp + ".scale_A"));
  BOOST_TEST(!same(a, b, kUp + ".weight"));
  BOOST_TEST(test::read_all(work / "lut/indices.pt") == test::read_all(work / "baked/indices.pt"));
}

BOOST_AUTO_TEST_CASE(a_stopped_run_goes_on_to_the_same_end) {
  const test::TempDir work;
  const std::string kinds = " --lr 1e-4 --train-weights --train-scales --eval-steps 0";
  const std::string flags = kLayers + " --attn-group-size 4" + kinds;
  train(work / "whole", flags + " --max-steps 6");
  train(work / "halves", flags + " --max-steps 3");
  train(work / "halves", flags + " --max-steps 6 --resume auto");
  const auto whole = anemll::read_state_dict(work / "whole/model_state_dict.pt");
  const auto halves = anemll::read_state_dict(work / "halves/model_state_dict.pt");
  BOOST_TEST(whole.size() == halves.size());
  for (const auto& [name, tensor] : whole) BOOST_TEST(same(whole, halves, name), name);
  // The group size of attention is its own, after a resume and for a run from the file.
  BOOST_TEST(config_of(work / "halves")["attn_group_size"] == 4);
  train(work / "next", kLayers + kinds + " --max-steps 1 --init-state " + (work / "halves").string());
  BOOST_TEST(config_of(work / "next")["attn_group_size"] == 4);
  BOOST_TEST(config_of(work / "next")["group_size"] == 2);
}

BOOST_AUTO_TEST_CASE(shares_of_the_moments_on_two_ranks_change_no_bit) {
  const test::TempDir work;
  const std::string flags = kLayers + " --lr 1e-4 --train-weights --train-scales --eval-steps 0 --max-steps ";
  const auto two_ranks = [&](const std::string& name, const std::string& more) {
    const test::ToolResult result = test::run(test::mpirun(2, command(work / name, flags + more)));
    BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  };
  two_ranks("whole", "4");
  two_ranks("shares", "2 --shard-optimizer");
  two_ranks("shares", "4 --shard-optimizer --resume auto");
  const auto whole = anemll::read_state_dict(work / "whole/model_state_dict.pt");
  const auto shares = anemll::read_state_dict(work / "shares/model_state_dict.pt");
  for (const auto& [name, tensor] : whole) BOOST_TEST(same(whole, shares, name), name);
}

BOOST_AUTO_TEST_CASE(a_complete_run_is_snapped_when_that_is_asked_later) {
  const test::TempDir work;
  const std::string flags = kLayers + " --lr 1e-4 --train-weights --max-steps 2";
  train(work / "run", flags);
  BOOST_TEST(!config_of(work / "run").contains("snapped_mode"));
  const std::string best = test::read_all(work / "run/best_state_dict.pt");
  const std::string snap = flags + " --resume auto --snap-weights";
  train(work / "run", snap);
  check_snapped(work / "run", kUp);
  BOOST_TEST(config_of(work / "run")["snapped_mode"] == "lut");
  BOOST_TEST(test::read_all(work / "run/best_state_dict.pt") == best);  // as trained
  train(work / "run", snap + " --snap-bake-scales");
  BOOST_TEST(config_of(work / "run")["snapped_mode"] == "baked");
}

BOOST_AUTO_TEST_CASE(attention_stays_float_unless_asked) {
  const test::TempDir work;
  const std::string flags = " --group-size 2 --max-steps 2 --lr 1e-4 --train-weights --eval-steps 0";
  train(work / "run", flags);
  const std::string told = train(work / "dry", flags + " --attn-lut-size 4 --dry-run");
  BOOST_TEST(told.find("without --quantize-attn") != std::string::npos, told);
  const auto state = anemll::read_state_dict(work / "run/model_state_dict.pt");
  BOOST_TEST(state.contains(kUp + ".scale_A"));
  BOOST_TEST(!state.contains(kQuery + ".scale_A"));
  BOOST_TEST(!anemll::read_state_dict(work / "run/indices.pt").contains(kQuery));
  BOOST_TEST(!config_of(work / "run")["quantize_attn"].get<bool>());
  // It goes on from its own state, and a later run may quantise attention: it starts from the file's weights.
  train(work / "run", flags + " --max-steps 3 --resume auto");
  const std::string output =
      train(work / "more", " --quantize-attn --group-size 2 --max-steps 1 --train-scales --init-state " +
                               (work / "run").string());
  BOOST_TEST(output.find("8 of 14 linears have no scales") != std::string::npos, output);
  BOOST_TEST(anemll::read_state_dict(work / "more/model_state_dict.pt").contains(kQuery + ".scale_A"));
}

BOOST_AUTO_TEST_CASE(a_state_becomes_a_v1_file_that_programs_read) {
  const test::TempDir work;
  const std::string flags = " --group-size 2 --lr 1e-4 --train-weights --eval-steps 0";
  train(work / "run", flags + " --max-steps 2");  // attention stays float
  const test::ToolResult made = test::run(test::bin("anemll_convert") + " state " + (work / "run").string() +
                                          " " + (work / "file/v1.pt").string());
  BOOST_REQUIRE_MESSAGE(made.code == 0, made.output);
  const auto last = anemll::read_state_dict(work / "run/model_state_dict.pt");
  const auto file = anemll::read_state_dict(work / "file/v1.pt");
  BOOST_TEST(last.size() == file.size());
  for (const auto& [name, tensor] : last) BOOST_TEST(same(last, file, name), name);
  const nlohmann::json config = config_of(work / "file");
  BOOST_TEST(!config.contains("version"));  // "v2" elsewhere
  BOOST_TEST(!config.at("quantize_attn").get<bool>());
  BOOST_TEST(config.at("group_size") == 2);
  train(work / "next", flags + " --max-steps 1 --init-state " + (work / "file/v1.pt").string());
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  const test::TempDir work;
  const auto refused = [&](const std::string& line, const std::string& part) {
    const test::ToolResult result = test::run(line);
    BOOST_TEST(result.code == 2, line << result.output);
    BOOST_TEST(result.output.find(part) != std::string::npos, result.output);
  };
  const fs::path out = work / "out";
  refused(command(out, ""), "--train-scales");
  refused(command(out, " --train-weights --snap-bake-scales"), "--snap-weights");
  refused(command(out, " --skip-training"), "--snap-weights");
  refused(command(out, " --train-scales --init-state " + test::golden("nano/v2_q2a4_init.pt").string()),
          "anemll_train");
  refused(test::bin("anemll_train_v1") + " --train-scales --model-id " + test::golden("nano").string(),
          "--kd-cache-dir");
  refused(test::bin("anemll_train") + " --v1 --from-scratch --cache-dir x", "anemll_train_v1");
  train(work / "v1", kLayers + " --max-steps 1 --train-scales");
  refused(test::bin("anemll_train") + " --v2-checkpoint " + (work / "v1/best_state_dict.pt").string() +
              " --model-id " + test::golden("nano").string() + " --cache-dir " +
              test::golden("nano/cache").string() + " --output-dir " + out.string(),
          "--v1-checkpoint");
}

BOOST_AUTO_TEST_SUITE_END()
