// anemll_convert from the outside: 4 bits to 2 and the training that follows, states as checkpoints, plain
// weights, and what is refused.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;

namespace {

const std::string kRefused = "is not a folder for a converted checkpoint";
const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();

std::string nano() {
  return test::golden("nano").string();
}
std::string cache() {
  return test::golden("nano/cache").string();
}

test::ToolResult convert(const std::string& arguments) {
  return test::run(test::bin("anemll_convert") + " " + arguments);
}

void expect(const test::ToolResult& result, int code, const std::string& part) {
  BOOST_TEST(result.code == code, result.output);
  BOOST_TEST(says(result, part), "no '" << part << "' in: " << result.output);
}

std::set<std::string> entries(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

/// A 4-bit run of a few steps; its best weights and config.json are what a user converts.
void train_q4(const fs::path& out) {
  const auto result =
      test::run(test::bin("anemll_train") + " --from-scratch --config q4a4 --group-size 2 --model-id " +
                nano() + " --cache-dir " + cache() + " --output-dir " + out.string() +
                " --batch-size 4 --max-steps 3 --warmup-steps 0 --lr 1e-4 --eval-samples 8 "
                "--precision fp32 --threads 1");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
}

/// Names, types, shapes and bytes of two files' tensors.
void same_tensors(const fs::path& a, const fs::path& b) {
  const anemll::TensorMap left = anemll::read_state_dict(a), right = anemll::read_state_dict(b);
  BOOST_REQUIRE(left.size() == right.size());
  for (const auto& [name, tensor] : left) {
    const anemll::HostTensor* other = right.find(name);
    BOOST_REQUIRE_MESSAGE(other != nullptr, name);
    BOOST_REQUIRE_MESSAGE(tensor.describe() == other->describe(), name);
    BOOST_TEST(std::memcmp(tensor.packed().data, other->packed().data, tensor.bytes()) == 0, name);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(convert_tool)

BOOST_AUTO_TEST_CASE(q4_becomes_q2_by_the_document_s_command_and_is_trained_where_it_lies) {
  const test::TempDir temp;
  train_q4(temp / "q4");
  const fs::path q2 = temp / "q2/q2_init.pt";
  const auto result =
      convert("q4-to-q2 --q4-checkpoint " + (temp / "q4/best_state_dict.pt").string() + " --output " +
              q2.string() + " --q4-rank 8 --eval --samples 16 --cache-dir " + cache());
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  for (const char* part :
       {"Manually loaded 14 _Q buffers", "--q4-rank 8 is not what the checkpoint holds",
        "kept: attention tables of 16 entries and their indices (8 linears), float weights",
        "reduced: MLP tables 16 -> 4 entries (6 linears; kmeans-entries",
        "MLP scales rank 4 -> 32 (6 linears)", "attention scales rank 4 -> 8 (8 linears)",
        "KD loss over 16 sequences: ", "prompt: What is 2+2?", "answer: "})
    BOOST_TEST(says(result, part), "no '" << part << "' in: " << result.output);
  const std::set<std::string> expected{"config.json", "q2_init.pt"};
  BOOST_TEST(entries(temp / "q2") == expected, boost::test_tools::per_element());
  const json config = json::parse(test::read_all(temp / "q2/config.json"));
  BOOST_TEST(config.at("converted_from") == "q4_a4");
  BOOST_TEST(config.at("config_preset") == "q2a4");
  BOOST_TEST(config.at("group_size") == 2);

  double before = 0, after = 0;
  const std::size_t at = result.output.find("KD loss over 16 sequences: ");
  BOOST_REQUIRE(std::sscanf(result.output.c_str() + at, "KD loss over 16 sequences: %lf before, %lf after",
                            &before, &after) == 2);
  BOOST_TEST(before > 0);
  BOOST_TEST(after > before);

  const auto trained =
      test::run(test::bin("anemll_train") + " --v2-checkpoint " + q2.string() + " --model-id " + nano() +
                " --cache-dir " + cache() + " --output-dir " + (temp / "q2").string() +
                " --batch-size 4 --max-steps 2 --eval-samples 16 --precision fp32 --threads 1");
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  BOOST_TEST(says(trained, "Manually loaded 14 _Q buffers"), trained.output);
  BOOST_TEST(!says(trained, "which is used"), trained.output);  // nothing contradicts
  std::ifstream lines(temp / "q2/metrics.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const json row = json::parse(line);
    if (row.at("kind") != "eval") continue;
    BOOST_TEST(std::abs(row.at("loss").get<double>() - after) < 1e-3);  // four digits are printed
    break;
  }

  // A run lies there now, and the source's own folder was never a place for the result.
  expect(convert("q4-to-q2 --q4-checkpoint " + (temp / "q4/best_state_dict.pt").string() + " --output " +
                 q2.string()),
         2, kRefused);
  expect(convert("q4-to-q2 --q4-checkpoint " + (temp / "q4/best_state_dict.pt").string() + " --output " +
                 (temp / "q4/q2.pt").string()),
         2, kRefused);
}

BOOST_AUTO_TEST_CASE(an_earlier_result_steps_aside_and_without_eval_the_reference_s_range_is_named) {
  const test::TempDir temp;
  // 2 bits to 2 bits of a smaller rank: the command takes any V2 file.
  const std::string command = "q4-to-q2 --q4-checkpoint " + kTrained + " --model-id " + nano() +
                              " --q2-mlp-rank 4 --lut-reduce symmetric --output " +
                              (temp / "out/q2.pt").string();
  const auto first = convert(command);
  BOOST_REQUIRE_MESSAGE(first.code == 0, first.output);
  BOOST_TEST(says(first, "the reference's range: from 0.13 to 4.9 or 5.8"), first.output);
  BOOST_TEST(says(first, "reduced: MLP scales rank 32 -> 4 (6 linears)"), first.output);
  const auto second = convert(command + " --compat reference");
  BOOST_REQUIRE_MESSAGE(second.code == 0, second.output);
  BOOST_TEST(says(second, "left out: all indices"), second.output);
  const std::set<std::string> expected{"config.json", "earlier-1", "q2.pt"};
  BOOST_TEST(entries(temp / "out") == expected, boost::test_tools::per_element());
  BOOST_TEST(fs::exists(temp / "out/earlier-1/q2.pt"));
  const std::string layer = "model.layers.0.mlp.up_proj";
  BOOST_TEST(anemll::read_state_dict(temp / "out/earlier-1/q2.pt").contains(layer + "._Q"));
  BOOST_TEST(!anemll::read_state_dict(temp / "out/q2.pt").contains(layer + "._Q"));
}

BOOST_AUTO_TEST_CASE(a_state_is_the_checkpoint_of_its_step) {
  const test::TempDir temp;
  const auto trained = test::run(test::train_command(temp / "run", "--max-steps 6"));
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  const std::string run = (temp / "run").string();
  const auto third = convert("state " + run + "/state/step_00000003 " + (temp / "third/out.pt").string());
  BOOST_REQUIRE_MESSAGE(third.code == 0, third.output);
  same_tensors(temp / "third/out.pt", temp / "run/checkpoint_step3.pt");
  const auto newest = convert("state " + run + " " + (temp / "newest/out.pt").string());
  expect(newest, 0, "step 6 of ");
  same_tensors(temp / "newest/out.pt", temp / "run/checkpoint_step6.pt");
  const json config = json::parse(test::read_all(temp / "newest/config.json"));
  BOOST_TEST(config.at("config_preset") == "q2a4");
  BOOST_TEST(config.at("step") == 6);
  const auto goes_on = test::run(test::train_command(temp / "next", "--max-steps 1", temp / "newest/out.pt"));
  BOOST_TEST(goes_on.code == 0, goes_on.output);

  expect(convert("state " + run + " " + (temp / "other/out.pt").string() + " --model-id " +
                 test::golden("qwen2_nano").string()),
         3, "of another model");
  expect(convert("state " + (temp / "third").string() + " " + (temp / "none/out.pt").string()), 3,
         "holds no saved state");
  expect(convert("state " + (temp / "nowhere").string() + " " + (temp / "none/out.pt").string()), 3,
         "does not exist");
  expect(convert("state " + (temp / "third/out.pt").string() + " " + (temp / "none/out.pt").string()), 3,
         "is a file, not a saved state");
  expect(convert("state " + run + " " + (temp / "run/out.pt").string()), 2, kRefused);
}

BOOST_AUTO_TEST_CASE(what_is_no_checkpoint_or_no_model_is_told_with_the_way_out) {
  const test::TempDir temp;
  expect(convert("merge " + nano() + " " + (temp / "out").string() + " --model-id " + nano()), 3,
         "is a folder, not a file");
  fs::create_directory(temp / "moved");
  fs::copy_file(kTrained, temp / "moved/v2.pt");
  std::ofstream(temp / "moved/config.json") << R"({"model_id": "/no/such/model"})";
  expect(convert("merge " + (temp / "moved/v2.pt").string() + " " + (temp / "out").string()), 3,
         "config.json names this model, --model-id MODEL gives another");
  // A file that has 2 bits already loses nothing.
  expect(convert("q4-to-q2 --q4-checkpoint " + kTrained + " --output " + (temp / "q2/q2.pt").string() +
                 " --model-id " + nano()),
         0, "the KD loss stays about the same");
}

BOOST_AUTO_TEST_CASE(merged_weights_are_a_model_folder) {
  const test::TempDir temp;
  const fs::path out = temp / "merged";
  const std::string command = "merge " + kTrained + " " + out.string() + " --model-id " + nano();
  const auto merged = convert(command + " --dtype fp32");
  BOOST_REQUIRE_MESSAGE(merged.code == 0, merged.output);
  BOOST_TEST(says(merged, "Manually loaded 14 _Q buffers"), merged.output);
  const std::set<std::string> expected{"chat_template.jinja", "config.json", "model.safetensors",
                                       "tokenizer.json", "tokenizer_config.json"};
  BOOST_TEST(entries(out) == expected, boost::test_tools::per_element());
  BOOST_TEST(test::read_all(out / "tokenizer.json") == test::read_all(fs::path(nano()) / "tokenizer.json"));
  BOOST_TEST(json::parse(test::read_all(out / "config.json")).at("dtype") == "float32");
  const auto encoded =
      test::run("echo Hello | " + test::bin("anemll_tokenize") + " encode --model-id " + out.string());
  BOOST_TEST(encoded.code == 0, encoded.output);
  // Every program takes it for a model.
  const auto plan = test::run(test::bin("anemll_train") + " --from-scratch --dry-run --model-id " +
                              out.string() + " --cache-dir " + cache() + " --output-dir " +
                              (temp / "dry").string() + " --eval-samples 0 --threads 1");
  BOOST_TEST(plan.code == 0, plan.output);
  expect(convert(command), 2, "is there already");
  BOOST_TEST(!fs::exists(temp / "merged.merging"));
  // What ends a text and how to sample go along.
  fs::copy(nano(), temp / "model");
  std::ofstream(temp / "model/generation_config.json") << R"({"eos_token_id": [5, 7]})";
  const auto sampled = convert("merge " + kTrained + " " + (temp / "sampled").string() + " --model-id " +
                               (temp / "model").string());
  BOOST_TEST(sampled.code == 0, sampled.output);
  BOOST_TEST(test::read_all(temp / "sampled/generation_config.json") == R"({"eos_token_id": [5, 7]})");
}

BOOST_AUTO_TEST_CASE(bad_input_is_said_clearly) {
  const test::TempDir temp;
  const std::string out = " --output " + (temp / "out/q2.pt").string();
  const std::string q4 = "q4-to-q2 --model-id " + nano() + " --q4-checkpoint ";
  expect(convert(""), 2, "no command given");
  expect(convert("v3-to-v4"), 2, "give one of: v1-to-v2, q4-to-q2, state, merge");
  expect(convert("q4-to-q2"), 2, "--q4-checkpoint");
  expect(convert(q4 + kTrained + out + " --eval"), 2, "--eval needs a KD cache");
  expect(convert(q4 + kTrained + out + " --config custom --q2-mlp-rank 4"), 2, "--config custom needs --q2-");
  expect(convert(q4 + kTrained + out + " --config q9"), 2,
         "q2a4, q4a4, q4a4_r32, q4_r32, q4_r64, q2a2, balanced, balanced3, custom");
  expect(convert(q4 + kTrained + out + " --config q4a4"), 2, "cannot become one of 16");
  expect(convert(q4 + kTrained + " --output " + (temp / "out").string()), 2, "does not end in .pt");
  expect(convert(q4 + (temp / "none.pt").string() + out), 3, "none.pt");
  expect(convert(q4 + test::golden("nano/model.safetensors").string() + out), 3, "model.safetensors");
  expect(
      convert("merge " + kTrained + " " + (temp / "m").string() + " --model-id " + (temp / "gone").string()),
      3, "gone");
  BOOST_TEST(!fs::exists(temp / "out/q2.pt"));
  BOOST_TEST(!fs::exists(temp / "m"));
}

BOOST_AUTO_TEST_SUITE_END()
