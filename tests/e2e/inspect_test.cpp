// anemll_inspect from the outside: what it prints, as text and JSON, how it ends; and a run that looks at its
// layers.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();
const std::string kInitial = test::golden("nano/v2_q2a4_init.pt").string();
constexpr std::size_t kLinears = 14;

std::string inspect(const std::string& arguments) {
  return test::bin("anemll_inspect") + " " + arguments;
}

/// stdout alone, as JSON; the command must end with `code`.
nlohmann::json json_of(const test::TempDir& dir, const std::string& arguments, int code = 0) {
  const fs::path file = dir / "out.json";
  const auto result = test::run("( " + inspect(arguments) + " --json > " + file.string() + " )");
  BOOST_TEST(result.code == code, result.output);
  return nlohmann::json::parse(test::read_all(file));
}

/// The trained fixture in a folder of its own, in which an import may lie.
std::string own_copy(const test::TempDir& dir) {
  fs::copy_file(kTrained, dir / "trained.pt", fs::copy_options::overwrite_existing);
  return (dir / "trained.pt").string();
}

std::string layers_flags() {
  return " --model-id " + test::golden("nano").string() + " --cache-dir " +
         test::golden("nano/cache").string() + " --samples 4 --threads 1";
}

/// A copy of the trained fixture with the first value of one tensor replaced.
void write_changed(const fs::path& path, const std::string& changed, float value) {
  std::vector<anemll::LazyTensor> tensors;
  bool met = false;
  for (const auto& [name, tensor] : anemll::read_state_dict(kTrained)) {
    anemll::HostTensor copy = anemll::HostTensor::zeros(tensor.dtype, tensor.shape);
    const anemll::HostTensor packed = tensor.packed();
    std::memcpy(copy.mutable_bytes(), packed.data, packed.bytes());
    if (name == changed) {
      BOOST_REQUIRE(tensor.dtype == anemll::DType::f32);
      std::memcpy(copy.mutable_bytes(), &value, sizeof value);
      met = true;
    }
    tensors.push_back(anemll::lazy(name, copy));
  }
  BOOST_REQUIRE(met);
  anemll::write_torch_file(path, tensors);
}

const std::string kScale = "model.layers.1.mlp.up_proj.scale_A";

std::vector<nlohmann::json> lines_of_kind(const fs::path& metrics, const std::string& kind) {
  std::ifstream file(metrics);
  std::vector<nlohmann::json> found;
  for (std::string line; std::getline(file, line);) {
    auto json = nlohmann::json::parse(line);
    if (json["kind"] == kind) found.push_back(std::move(json));
  }
  return found;
}

std::vector<std::int64_t> steps_of(const std::vector<nlohmann::json>& lines) {
  std::vector<std::int64_t> steps;
  for (const auto& line : lines) steps.push_back(line["step"].get<std::int64_t>());
  return steps;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(InspectTool)

BOOST_AUTO_TEST_CASE(layers_are_told_worst_first) {
  const test::TempDir dir;
  const auto json = json_of(dir, "layers " + own_copy(dir) + layers_flags());
  BOOST_REQUIRE_EQUAL(json["layers"].size(), kLinears);
  BOOST_TEST(json["blocks"].size() == 2u);
  BOOST_TEST(json["sequences"] == 4);
  BOOST_TEST(json["kd_loss"].get<double>() > 0);
  double last = std::numeric_limits<double>::infinity();
  for (const auto& layer : json["layers"]) {
    const double error = layer["output_error"].get<double>();
    BOOST_TEST((error > 0 && error <= last));
    last = error;
    const std::int64_t weights = layer["out"].get<std::int64_t>() * layer["in"].get<std::int64_t>();
    std::int64_t counted = 0;
    for (const auto& count : layer["indices"]) counted += count.get<std::int64_t>();
    BOOST_TEST(counted == weights);
    BOOST_TEST(layer["indices"].size() == layer["lut"].get<std::size_t>());
    BOOST_TEST(layer["gradient_a"].get<double>() > 0);
    BOOST_TEST(layer["weight_rmse"].get<double>() >= layer["weight_mae"].get<double>());
  }

  const auto text =
      test::run(inspect("layers " + (dir / "trained.pt").string() + layers_flags() + " --top 2"));
  BOOST_TEST(text.code == 0, text.output);
  const std::string worst = json["layers"][0]["layer"].get<std::string>();
  const std::string third = json["layers"][2]["layer"].get<std::string>();
  BOOST_TEST(text.output.find(worst) != std::string::npos, text.output);
  BOOST_TEST(text.output.find(third) == std::string::npos, text.output);
  BOOST_TEST(text.output.find("... and 12 more") != std::string::npos, text.output);
}

BOOST_AUTO_TEST_CASE(without_a_cache_weights_alone_are_compared) {
  const test::TempDir dir;
  const std::string flags = " --model-id " + test::golden("nano").string() + " --samples 4";
  const auto json = json_of(dir, "layers " + kTrained + flags);
  BOOST_TEST(json["layers"][0]["output_error"].is_null());
  BOOST_TEST(json["layers"][0]["weight_error"].get<double>() > 0);
  BOOST_TEST(json["blocks"].empty());
  const auto text = test::run(inspect("layers " + kTrained + flags));
  BOOST_TEST(text.output.find("--samples has no effect without --cache-dir or --text") != std::string::npos,
             text.output);
  BOOST_TEST(text.output.find("output_error") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_text_gives_inputs_too) {
  const test::TempDir dir;
  const fs::path model = dir / "model";
  fs::create_directories(model);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(test::golden(std::string("nano/") + name), model / name);
  std::ofstream(dir / "text.txt") << "The quick brown fox jumps over the lazy dog, again and again.";
  const std::string flags = " --model-id " + model.string() + " --text " + (dir / "text.txt").string();
  const auto json = json_of(dir, "layers " + kTrained + flags + " --ctx 4 --samples 3");
  BOOST_TEST(json["sequences"] == 3);
  BOOST_TEST(json["kd_loss"].is_null());
  for (const auto& layer : json["layers"]) {
    BOOST_TEST(layer["output_error"].get<double>() > 0);
    BOOST_TEST(layer["gradient_a"].is_null());
  }
  std::ofstream(dir / "text.txt", std::ios::trunc).flush();
  const auto empty = test::run(inspect("layers " + kTrained + flags));
  BOOST_TEST(empty.code == 3, empty.output);
  BOOST_TEST(empty.output.find("no tokens") != std::string::npos, empty.output);
}

BOOST_AUTO_TEST_CASE(layers_of_a_snapped_v1_file_whose_attention_is_float) {
  const test::TempDir dir;
  const std::string model = " --model-id " + test::golden("nano").string();
  const auto trained =
      test::run(test::bin("anemll_train_v1") + model + " --kd-cache-dir " +
                test::golden("nano/cache").string() + " --output-dir " + (dir / "v1").string() +
                " --lut-size 4 --scale-rank 4 --group-size 2 --batch-size 4 --max-steps 1 --train-scales"
                " --snap-weights --dtype fp32 --eval-samples 0 --threads 1");
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  const auto json = json_of(dir, "layers " + (dir / "v1/model_state_dict.pt").string() + layers_flags());
  BOOST_REQUIRE_EQUAL(json["layers"].size(), kLinears);
  std::size_t quantised = 0;
  for (const auto& layer : json["layers"]) {
    const bool v1 = layer["lut"] == 4;
    quantised += v1 ? 1U : 0U;
    BOOST_TEST(layer["layer"].get<std::string>().find(v1 ? ".mlp." : ".self_attn.") != std::string::npos);
    BOOST_TEST(layer["negative_scales"].is_null() != v1);
    BOOST_TEST(layer["indices"].is_null() != v1);
    BOOST_TEST((layer["output_error"].get<double>() > 1e-3) == v1);  // sums in another order are no error
    BOOST_TEST(layer["gradient_a"].is_null());
  }
  BOOST_TEST(quantised == 6U);
}

BOOST_AUTO_TEST_CASE(check_has_the_references_exit_codes) {
  const test::TempDir dir;
  const auto good = json_of(dir, "check " + kTrained);
  BOOST_TEST(good["result"] == "ok");
  BOOST_TEST(good["lookups"].size() == kLinears);
  for (const auto& lookup : good["lookups"]) BOOST_TEST(lookup["agrees"] == true);

  const std::string changed = (dir / "changed.pt").string();
  write_changed(changed, kScale, std::numeric_limits<float>::quiet_NaN());
  const auto nan = test::run(inspect("check " + changed));
  BOOST_TEST(nan.code == 1, nan.output);
  BOOST_TEST(nan.output.find(kScale) != std::string::npos, nan.output);
  BOOST_TEST(json_of(dir, "check " + changed, 1)["not_finite"] == 1);

  write_changed(changed, kScale, -66000);
  const auto large = json_of(dir, "check " + changed, 2);
  BOOST_TEST(large["at_risk"] == 1);
  BOOST_TEST(large["exit_code"] == 2);

  write_changed(changed, "model.layers.0.mlp.gate_proj._Q", 0.123F);
  const auto disagrees = test::run(inspect("check " + changed));
  BOOST_TEST(disagrees.code == 0, disagrees.output);
  BOOST_TEST(disagrees.output.find("1 that disagree") != std::string::npos, disagrees.output);
}

BOOST_AUTO_TEST_CASE(diff_names_what_differs) {
  const test::TempDir dir;
  BOOST_TEST(json_of(dir, "diff " + kTrained + " " + kTrained)["same"] == true);
  const std::string changed = (dir / "changed.pt").string();
  write_changed(changed, kScale, 100);
  const auto json = json_of(dir, "diff " + kTrained + " " + changed);
  BOOST_TEST(json["same"] == false);
  BOOST_REQUIRE_EQUAL(json["differing"].size(), 1u);
  BOOST_TEST(json["differing"][0]["tensor"] == kScale);
  BOOST_TEST(json["differing"][0]["changed"] == 1);
  BOOST_TEST(json["differing"][0]["largest"].get<double>() > 50);
  BOOST_TEST(json["changed_indices"] == 0);
  const auto text = test::run(inspect("diff --top 0 " + kInitial + " " + kTrained));
  const std::string all = std::to_string(anemll::read_state_dict(kInitial).size());
  BOOST_TEST(text.output.find("Comparing: " + all + "/" + all + " tensors in ") != std::string::npos,
             text.output);
  BOOST_TEST(text.code == 0, text.output);
  BOOST_TEST(text.output.find(kScale) != std::string::npos, text.output);
  const auto model =
      test::run(inspect("diff " + test::golden("nano/model.safetensors").string() + " " + kTrained));
  BOOST_TEST(model.code == 0, model.output);
  BOOST_TEST(model.output.find("only in " + kTrained) != std::string::npos, model.output);
}

BOOST_AUTO_TEST_CASE(bad_input_is_told) {
  const test::TempDir dir;
  const auto expect = [](const std::string& arguments, int code, const std::string& text) {
    const auto result = test::run(inspect(arguments));
    BOOST_TEST(result.code == code, result.output);
    BOOST_TEST(result.output.find(text) != std::string::npos, result.output);
  };
  expect("", 2, "no command given");
  expect("look", 2, "unknown command");
  expect("check", 2, "FILE");
  expect("check " + (dir / "absent.pt").string(), 3, "absent.pt");
  expect("diff " + kTrained, 2, "the file to hold it against");
  expect("layers " + test::golden("nano/model.safetensors").string(), 3, "model.safetensors");
  expect("check --top -1 " + kTrained, 2, "--top");
  expect("layers " + kTrained + " --model-id " + test::golden("nano").string() + " --cache-dir " +
             dir.path().string(),
         3, dir.path().string());
}

BOOST_AUTO_TEST_CASE(a_pipe_that_closes_early_is_no_error) {
  const test::TempDir dir;
  std::vector<anemll::LazyTensor> tensors;  // their list is more than a pipe holds
  for (int i = 0; i < 2000; ++i)
    tensors.push_back(
        anemll::lazy("tensor_" + std::to_string(i), anemll::HostTensor::zeros(anemll::DType::f32, {1})));
  anemll::write_torch_file(dir / "many.pt", tensors);
  const std::string command = inspect("check --json " + (dir / "many.pt").string());
  BOOST_TEST(test::run(command).output.size() > std::size_t{1} << 17U);
  const auto result = test::run("bash -c 'set -o pipefail; " + command + " | head -n 1'");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.find("error") == std::string::npos, result.output);
  BOOST_TEST(result.output.find("{") != std::string::npos, result.output);
  const auto full = test::run(command + " >/dev/full");
  BOOST_TEST(full.code == 3, full.output);
}

BOOST_AUTO_TEST_CASE(the_work_of_a_model_is_counted_and_the_machine_measured) {
  const test::TempDir dir;
  const std::string command = inspect("work " + test::golden("nano").string() + " --threads 1 --size ");
  const auto measured = test::run(command + "64 --output " + (dir / "work.json").string());
  BOOST_REQUIRE_MESSAGE(measured.code == 0, measured.output);
  const auto work = nlohmann::json::parse(test::read_all(dir / "work.json"));
  // Two layers of q 128 x 64, k and v 64 x 64, o 64 x 128, gate and up 96 x 64, down 64 x 96.
  BOOST_TEST(work["linear_weights"] == 86016);
  BOOST_TEST(work["head_weights"] == 4096 * 64);
  BOOST_TEST(work["attention_width"] == 128);
  BOOST_TEST(work["squared_inputs"] == 2 * (64 * 64 + 128 * 128 + 64 * 64 + 96 * 96));
  BOOST_TEST(work["gflops_fp32"].get<double>() > 0);
  const auto taken = test::run(command + "0 --output " + (dir / "work.json").string());
  BOOST_TEST(taken.code == 2, taken.output);
  BOOST_TEST(taken.output.find("--overwrite") != std::string::npos, taken.output);
  const auto counted = test::run("( " + command + "0 > " + (dir / "counted.json").string() + " )");
  BOOST_TEST(counted.code == 0, counted.output);
  BOOST_TEST(!nlohmann::json::parse(test::read_all(dir / "counted.json")).contains("gflops_fp32"));
}

BOOST_AUTO_TEST_CASE(a_run_looks_at_its_layers_and_stays_the_same) {
  const test::TempDir dir;
  const auto plain = test::run(test::train_command(dir / "plain", "--max-steps 6"));
  BOOST_REQUIRE_MESSAGE(plain.code == 0, plain.output);
  const auto looked = test::run(test::train_command(dir / "looked", "--max-steps 6 --every 2"));
  BOOST_REQUIRE_MESSAGE(looked.code == 0, looked.output);
  BOOST_TEST((test::read_all(dir / "plain" / "best_state_dict.pt") ==
              test::read_all(dir / "looked" / "best_state_dict.pt")));
  BOOST_TEST(lines_of_kind(dir / "plain" / "metrics.jsonl", "layers").empty());
  const auto lines = lines_of_kind(dir / "looked" / "metrics.jsonl", "layers");
  BOOST_TEST(steps_of(lines) == (std::vector<std::int64_t>{2, 4, 6}), boost::test_tools::per_element());
  for (const auto& line : lines) {
    BOOST_REQUIRE_EQUAL(line["layers"].size(), kLinears);
    for (const auto& layer : line["layers"]) {
      BOOST_TEST(layer["output_error"].get<double>() > 0);
      BOOST_TEST(layer["gradient_g"].get<double>() > 0);
    }
  }
  BOOST_TEST(looked.output.find("largest output errors") != std::string::npos, looked.output);
}

BOOST_AUTO_TEST_CASE(a_run_that_goes_on_tells_no_step_twice) {
  const test::TempDir dir;
  const auto first = test::run(test::train_command(dir / "out", "--max-steps 6 --inspect-steps 1"));
  BOOST_REQUIRE_MESSAGE(first.code == 0, first.output);
  const auto again =
      test::run(test::train_command(dir / "out", "--max-steps 7 --inspect-steps 1 --resume " +
                                                     (dir / "out" / "state" / "step_00000003").string()));
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  BOOST_TEST(steps_of(lines_of_kind(dir / "out" / "metrics.jsonl", "layers")) ==
                 (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
