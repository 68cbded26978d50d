// V1 checkpoints as the start of V2: `anemll_train --v1-checkpoint` and `anemll_convert v1-to-v2` on V1 runs
// of the nano model, the first of them against the reference's loss.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;

namespace {

const std::string kUp = "model.layers.0.mlp.up_proj", kQuery = "model.layers.1.self_attn.q_proj";

std::string nano() {
  return " --model-id " + test::golden("nano").string();
}
std::string cache() {
  return test::golden("nano/cache").string();
}

test::ToolResult done(const std::string& command) {
  test::ToolResult result = test::run(command);
  BOOST_REQUIRE_MESSAGE(result.code == 0, command + "\n" + result.output);
  return result;
}

void expect(const std::string& command, int code, const std::string& part) {
  const test::ToolResult result = test::run(command);
  BOOST_TEST(result.code == code, command + "\n" + result.output);
  BOOST_TEST(result.output.find(part) != std::string::npos, "no '" << part << "' in: " << result.output);
}

/// A V1 run into `out`.
void train_v1(const fs::path& out, const std::string& flags) {
  done(test::bin("anemll_train_v1") + nano() + " --kd-cache-dir " + cache() + " --output-dir " +
       out.string() +
       " --lut-size 4 --attn-lut-size 16 --scale-rank 4 --group-size 2 --batch-size 4 --order sequential "
       "--dtype fp32 "
       "--threads 1 --eval-samples 16 --logging-steps 40 --eval-steps 0 " +
       flags);
}

/// A few steps of weights and scales: what a V1 file differs in from the model.
void short_v1(const fs::path& out, const std::string& flags = "--quantize-attn") {
  train_v1(out, "--max-steps 4 --lr 1e-3 --train-weights --train-scales " + flags);
}

/// A V2 run out of a V1 file or folder.
std::string v2(const fs::path& v1, const fs::path& out, const std::string& flags) {
  return test::bin("anemll_train") + nano() + " --v1-checkpoint " + v1.string() + " --cache-dir " + cache() +
         " --output-dir " + out.string() +
         " --batch-size 4 --warmup-steps 0 --constant-lr --lr 5e-4 --eval-samples 16 --precision fp32 "
         "--threads 1 " +
         flags;
}

std::string convert(const fs::path& v1, const fs::path& out, const std::string& flags = "") {
  return test::bin("anemll_convert") + " v1-to-v2 --v1-checkpoint " + v1.string() + " --output " +
         out.string() + " " + flags;
}

double first_loss(const fs::path& run) {
  const auto rows = test::read_csv(run / "training_log.csv");
  BOOST_REQUIRE(!rows.empty());
  BOOST_TEST(rows.front().step == 0);
  return std::stod(rows.front().eval);
}

/// Names, types, shapes and bytes, but of names with `but` at their end.
void same_tensors(const fs::path& a, const fs::path& b, const std::string& but = "") {
  const anemll::TensorMap left = anemll::read_state_dict(a), right = anemll::read_state_dict(b);
  std::size_t compared = 0;
  for (const auto& [name, tensor] : left) {
    if (!but.empty() && name.ends_with(but)) continue;
    ++compared;
    const anemll::HostTensor* other = right.find(name);
    BOOST_REQUIRE_MESSAGE(other != nullptr, name);
    BOOST_REQUIRE_MESSAGE(tensor.describe() == other->describe(), name);
    BOOST_TEST(std::memcmp(tensor.packed().data, other->packed().data, tensor.bytes()) == 0, name);
  }
  std::size_t expected = 0;
  for (const auto& [name, tensor] : right) expected += but.empty() || !name.ends_with(but) ? 1U : 0U;
  BOOST_TEST(compared == expected);
}

bool same(const anemll::TensorMap& a, const anemll::TensorMap& b, const std::string& name) {
  const anemll::HostTensor *left = a.find(name), *right = b.find(name);
  BOOST_REQUIRE_MESSAGE((left != nullptr && right != nullptr), name);
  return left->describe() == right->describe() &&
         std::memcmp(left->packed().data, right->packed().data, left->bytes()) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(v1_to_v2)

BOOST_AUTO_TEST_CASE(the_reference_s_v1_run_becomes_the_reference_s_v2_model) {
  constexpr double kRelative = 1e-2;  // indices flip when scales are trained: kAfterFlips of v1_test.cpp
  const json goldens = json::parse(std::ifstream(test::golden("nano/goldens.json")));
  const test::TempDir work;
  const std::string steps = " --max-steps 40 --quantize-attn";
  train_v1(work / "weights", "--lr 1e-4 --train-weights" + steps);
  train_v1(work / "v1", "--lr 5e-4 --train-scales --init-state " + (work / "weights").string() + steps);

  const auto run = done(v2(work / "v1", work / "v2", "--ste off --max-steps 1 --eval-steps 0"));
  BOOST_TEST(says(run, "V1 to V2: 14 linears of "), run.output);
  BOOST_TEST(says(run, "MLP 4 entries rank 4, attention 16 entries rank 4"), run.output);
  BOOST_TEST(!says(run, "which is used"), run.output);
  BOOST_TEST(!says(run, "not used: "), run.output);
  const double loss = goldens.at("v1_to_v2_eval16").get<double>();
  BOOST_TEST(std::abs(first_loss(work / "v2") - loss) < kRelative * loss);
  const json config = json::parse(test::read_all(work / "v2/config.json"));
  BOOST_TEST(config.at("source_checkpoint") == (work / "v1/model_state_dict.pt").string());
  BOOST_TEST(config.at("scale_rank") == 4);

  // The program makes the file that the run started with.
  const auto made =
      done(convert(work / "v1", work / "file/v2.pt", "--verify --samples 16 --cache-dir " + cache()));
  BOOST_TEST(says(made, "linears with V1's rank: 14, scales differ from V1's by at most "), made.output);
  BOOST_TEST(says(made, "Manually loaded 14 _Q buffers"), made.output);
  double before = 0, after = 0;
  const std::size_t at = made.output.find("KD loss over 16 sequences: ");
  BOOST_REQUIRE(at != std::string::npos);
  BOOST_REQUIRE(std::sscanf(made.output.c_str() + at, "KD loss over 16 sequences: %lf before, %lf after",
                            &before, &after) == 2);
  BOOST_TEST(std::abs(before - goldens.at("v1_eval16_final").get<double>()) <
             2e-4);  // four digits are printed
  BOOST_TEST(std::abs(after - loss) < 2e-4);
  same_tensors(work / "file/v2.pt", work / "v2/v2_initial.pt", "._indices");
  const anemll::TensorMap file = anemll::read_state_dict(work / "file/v2.pt");
  for (const char* suffix : {".weight", "._Q", "._indices", ".rank_magnitude"})
    BOOST_TEST(file.contains(kUp + suffix), suffix);
  BOOST_TEST(file.contains("model.embed_tokens.weight"));
  const json described = json::parse(test::read_all(work / "file/config.json"));
  BOOST_TEST(described.at("converted_from") == "v1");
  BOOST_TEST(described.at("version") == "v2");
  BOOST_TEST(described.at("group_size") == 2);

  // And a run goes on from it.
  const auto trained =
      done(test::bin("anemll_train") + nano() + " --v2-checkpoint " + (work / "file/v2.pt").string() +
           " --cache-dir " + cache() + " --output-dir " + (work / "next").string() +
           " --batch-size 4 --warmup-steps 0 --max-steps 1 --eval-samples 16 --ste off "
           "--precision fp32 --threads 1");
  BOOST_TEST(says(trained, "Manually loaded 14 _Q buffers"), trained.output);
  BOOST_TEST(!says(trained, "which is used"), trained.output);
  BOOST_TEST(std::abs(first_loss(work / "next") - first_loss(work / "v2")) < 1e-6);
}

BOOST_AUTO_TEST_CASE(two_ranks_equal_one) {
  const test::TempDir work;
  short_v1(work / "v1");
  const std::string flags = "--max-steps 4 --eval-steps 0 --expand-rank --seed 3";
  done(v2(work / "v1", work / "one", flags));
  done(test::mpirun(2, v2(work / "v1", work / "two", flags)));
  same_tensors(work / "one/v2_initial.pt", work / "two/v2_initial.pt");
  const auto one = test::read_csv(work / "one/training_log.csv"),
             two = test::read_csv(work / "two/training_log.csv");
  BOOST_REQUIRE(one.size() == two.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    if (one[i].eval.empty()) continue;
    const double loss = std::stod(one[i].eval);
    BOOST_TEST(std::abs(std::stod(two[i].eval) - loss) < 1e-4 * loss);
  }
  // Preset q2a4, of which the source had another rank.
  const json config = json::parse(test::read_all(work / "one/config.json"));
  BOOST_TEST(config.at("config_preset") == "q2a4");
}

BOOST_AUTO_TEST_CASE(a_stopped_run_goes_on_to_the_same_end) {
  const test::TempDir work;
  short_v1(work / "v1");
  const std::string flags = "--config q2a4 --eval-samples 0 ";
  const auto first = done(v2(work / "v1", work / "whole", flags + "--max-steps 6"));
  BOOST_TEST(says(first, "--config q2a4 says MLP 4 entries rank 32"), first.output);
  done(v2(work / "v1", work / "halves", flags + "--max-steps 3"));
  done(v2(work / "v1", work / "halves", flags + "--max-steps 6 --resume auto"));
  // The float weights too: they are V1's, not the model's.
  same_tensors(work / "whole/best_state_dict.pt", work / "halves/best_state_dict.pt");
  same_tensors(work / "whole/v2_initial.pt", work / "halves/v2_initial.pt");
  const auto v1 = anemll::read_state_dict(work / "v1/model_state_dict.pt");
  const auto end = anemll::read_state_dict(work / "halves/best_state_dict.pt");
  BOOST_TEST(same(v1, end, kUp + ".weight"));
  BOOST_TEST(!same(v1, end, kUp + ".scale_A"));
  // A state is enough.
  fs::remove_all(work / "v1");
  done(test::bin("anemll_train") + nano() + " --cache-dir " + cache() + " --output-dir " +
       (work / "halves").string() +
       " --batch-size 4 --warmup-steps 0 --constant-lr --lr 5e-4 --eval-samples 0 --precision fp32 --threads "
       "1 "
       "--max-steps 7 --resume auto");
}

BOOST_AUTO_TEST_CASE(a_run_in_the_folder_of_its_source_keeps_it) {
  const test::TempDir work;
  short_v1(work / "run");
  const fs::path source = work / "run/model_state_dict.pt";
  const std::string before = test::read_all(source);
  done(v2(source, work / "run", "--max-steps 1 --eval-steps 0"));
  BOOST_TEST((test::read_all(source) == before));
  BOOST_TEST(fs::exists(work / "run/v2_initial.pt"));
  BOOST_TEST(fs::exists(work / "run/earlier-1/best_state_dict.pt"));
}

BOOST_AUTO_TEST_CASE(what_v1_left_float_is_started_and_told) {
  const test::TempDir work;
  short_v1(work / "v1", "");  // attention stays float
  const auto run = done(v2(work / "v1", work / "v2", "--max-steps 1 --eval-steps 0"));
  BOOST_TEST(says(run, "V1 to V2: 6 linears of "), run.output);
  BOOST_TEST(says(run, "because V1 left them float: 8 linears (model.layers.0.self_attn.q_proj, ...)"),
             run.output);
  BOOST_TEST(says(run, "MLP 4 entries rank 4, attention 16 entries rank 8"), run.output);
  const auto state = anemll::read_state_dict(work / "v2/v2_initial.pt");
  BOOST_TEST(state.find(kQuery + ".scale_A")->shape[1] == 8);
  BOOST_TEST(state.find(kUp + ".scale_A")->shape[1] == 4);
  // Flags of the reference's script are for what shapes do not say.
  const auto made =
      done(convert(work / "v1", work / "file/v2.pt",
                   "--lut-bits 4 --attn-lut-bits 3 --scale-rank 4 --attn-scale-rank 5 --verify"));
  BOOST_TEST(says(made, "--lut-bits 4 (it has 2): the shapes of the V1 checkpoint say otherwise"),
             made.output);
  const auto file = anemll::read_state_dict(work / "file/v2.pt");
  BOOST_TEST(file.find(kQuery + ".scale_A")->shape[1] == 5);
  BOOST_TEST(file.find(kQuery + ".lut")->shape[0] == 8);
  BOOST_TEST(file.find(kUp + ".lut")->shape[0] == 4);
}

BOOST_AUTO_TEST_CASE(full_scales_are_factored_and_the_error_is_told) {
  const test::TempDir work;
  done(test::bin("anemll_train_v1") + nano() + " --kd-cache-dir " + cache() + " --output-dir " +
       (work / "v1").string() +
       " --lut-size 4 --scale-rank 0 --group-size 2 --train-scales --max-steps 1 "
       "--batch-size 4 --dtype fp32 --threads 1 --eval-samples 4");
  const auto made = done(convert(work / "v1", work / "file/v2.pt", "--scale-rank 6 --verify"));
  BOOST_TEST(says(made, "a scale for each weight became factors: 6 linears, relative error "), made.output);
  BOOST_TEST(says(made, "linears with another rank: 6, scales differ from V1's by at most "), made.output);
  BOOST_TEST(anemll::read_state_dict(work / "file/v2.pt").find(kUp + ".scale_A")->shape[1] == 6);
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  const test::TempDir work;
  short_v1(work / "v1");
  const fs::path file = work / "v1/best_state_dict.pt";
  const std::string trained = test::golden("nano/v2_q2a4_trained.pt").string();
  expect(v2(file, work / "out", "--mlp-rank 16"), 2, "add --expand-rank");
  expect(v2(file, work / "out", "--attn-lut 4"), 2,
         "--attn-lut 4 contradicts the V1 checkpoint, which has 16");
  expect(v2(file, work / "out", "--v2-checkpoint " + trained), 2, "--v1-checkpoint, --v2-checkpoint");
  expect(v2(trained, work / "out", ""), 3, "--v2-checkpoint");
  expect(v2(work / "none.pt", work / "out", ""), 3, "none.pt");
  fs::create_directory(work / "empty");
  expect(v2(work / "empty", work / "out", ""), 3, "holds neither model_state_dict.pt nor best_state_dict.pt");
  expect(v2(test::golden("nano/model.safetensors"), work / "out", ""), 3, "model.safetensors");
  BOOST_TEST(!fs::exists(work / "out/v2_initial.pt"));

  const std::string out = (work / "file/v2.pt").string();
  expect(test::bin("anemll_convert") + " v1-to-v2", 2, "--v1-checkpoint");
  expect(convert(trained, out, nano()), 3, "holds layers of type v2");
  expect(convert(work / "none.pt", out, nano()), 3, "none.pt");
  expect(convert(work / "empty", out, nano()), 3, "holds neither model_state_dict.pt");
  expect(convert(file, work / "file", nano()), 2, "does not end in .pt");
  expect(convert(file, work / "v1/v2.pt", nano()), 2, "is not a folder for a converted checkpoint");
  expect(convert(file, out, nano() + " --config q9"), 2, "q2a4, q4a4");
  expect(convert(file, out, " --model-id " + test::golden("qwen2_nano").string()), 3, "self_attn.q_proj");
  BOOST_TEST(!fs::exists(out));
  const auto told = done(convert(file, out, "--samples 3"));
  BOOST_TEST(says(told, "--samples has no effect"), told.output);
}

BOOST_AUTO_TEST_SUITE_END()
