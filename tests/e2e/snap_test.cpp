// anemll_snap from the outside: what it leaves in the folder, what it measures, and how it fails.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

// The reference's evaluation of the trained fixture over 16 sequences (traj_v2_scratch_exact in
// nano/goldens.json is printed in full; fp32 sums differ in order only).
constexpr double kTrainedLoss16 = 0.01653700607130304;
constexpr double kEvaluationTolerance = 1e-4;

const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();

test::ToolResult snap(const std::string& checkpoint, const fs::path& output, const std::string& flags) {
  return test::run(test::bin("anemll_snap") + " --checkpoint " + checkpoint + " --model-id " +
                   test::golden("nano").string() + " --output " + output.string() + " " + flags);
}

std::string cache_flag() {
  return " --cache-dir " + test::golden("nano/cache").string();
}

std::set<std::string> entries(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

nlohmann::json report_of(const fs::path& folder) {
  return nlohmann::json::parse(test::read_all(folder / "snap_report.json"));
}

/// The trained fixture with every float of the tensors that end in `suffix` changed.
void write_changed(const fs::path& path,
                   const std::vector<std::pair<std::string, std::function<float(float)>>>& changes) {
  std::vector<anemll::LazyTensor> tensors;
  for (const auto& [name, tensor] : anemll::read_state_dict(kTrained)) {
    anemll::HostTensor copy = anemll::HostTensor::zeros(tensor.dtype, tensor.shape);
    const anemll::HostTensor packed = tensor.packed();
    std::memcpy(copy.mutable_bytes(), packed.data, packed.bytes());
    for (const auto& [suffix, change] : changes) {
      if (!name.ends_with(suffix) || tensor.dtype != anemll::DType::f32) continue;
      auto* values = reinterpret_cast<float*>(copy.mutable_bytes());
      for (std::int64_t i = 0; i < copy.numel(); ++i) values[i] = change(values[i]);
    }
    if (name.ends_with("._scales_baked_flag") && !changes.empty()) *copy.mutable_bytes() = std::byte{1};
    tensors.push_back(anemll::lazy(name, copy));
  }
  anemll::write_torch_file(path, tensors);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(SnapTool)

BOOST_AUTO_TEST_CASE(universal_file_scores_like_the_trained_one) {
  const test::TempDir temp;
  const auto result = snap(kTrained, temp / "snap", "--fp16 --samples 16" + cache_flag());
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  const std::set<std::string> expected{"config.json", "model_state_dict.pt", "snap_report.json"};
  BOOST_TEST(entries(temp / "snap") == expected, boost::test_tools::per_element());
  BOOST_TEST(result.output.find("Manually loaded 14 _Q buffers") != std::string::npos);

  const auto report = report_of(temp / "snap");
  BOOST_TEST(report["samples"] == 16);
  BOOST_CHECK_CLOSE_FRACTION(report["trained_kd_loss"].get<double>(), kTrainedLoss16, kEvaluationTolerance);
  // What half rounding may do to a loss grows with the loss.
  BOOST_TEST(report["gate"]["tolerance"].get<double>() ==
             std::max(1e-3, 2e-3 * report["trained_kd_loss"].get<double>()));
  BOOST_TEST(report["gate"]["passed"] == true);
  BOOST_TEST(report["gate"]["consumer"] == "raw");
  BOOST_TEST(report["consumers"]["clamp"]["kd_loss"] == report["consumers"]["weight"]["kd_loss"]);
  // What rounding to half leaves is far below the bound, and is not nothing.
  BOOST_TEST(report["gate"]["kl_to_trained"].get<double>() > 0.0);
  BOOST_TEST(report["gate"]["kl_to_trained"].get<double>() < 1e-4);
  BOOST_TEST(report["gate"]["kl_tolerance"] == 1e-3);
  BOOST_TEST(report["consumers"]["abs"]["kl_to_trained"].get<double>() > 0.1);
  // Absolute values are another model; a report that says otherwise measures nothing.
  BOOST_TEST(report["consumers"]["abs"]["kd_loss"].get<double>() > 2 * kTrainedLoss16);
  BOOST_TEST(report["negative_scale_share"].get<double>() > 0.0);
  BOOST_TEST(report["layers"].size() == 14U);
}

BOOST_AUTO_TEST_CASE(reference_layout_is_gated_by_the_references_own_loader) {
  const test::TempDir temp;
  const auto result = snap(kTrained, temp / "snap", "--ane --layout reference --samples 16" + cache_flag());
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(report_of(temp / "snap")["gate"]["consumer"] == "reference");
}

BOOST_AUTO_TEST_CASE(without_a_cache_weights_are_compared_and_it_says_so) {
  const test::TempDir temp;
  const auto result = snap(kTrained, temp / "snap", "--fp16 --lut-bits 4 --scale-rank 32");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(result.output.find("No KD loss was measured") != std::string::npos);
  BOOST_TEST(result.output.find("--lut-bits 4 is not what the checkpoint holds") != std::string::npos);
  BOOST_TEST(result.output.find("--scale-rank") == std::string::npos);
  BOOST_TEST(report_of(temp / "snap")["trained_kd_loss"].is_null());
  BOOST_TEST(report_of(temp / "snap")["consumers"]["raw"]["kl_to_trained"].is_null());
  BOOST_TEST(report_of(temp / "snap")["gate"]["measure"] == "weight_error");
}

BOOST_AUTO_TEST_CASE(positive_scales_are_read_alike_by_those_that_clamp_and_the_cost_is_told) {
  const test::TempDir temp;
  const std::string flags = "--fp16 --no-test --samples 16" + cache_flag();
  const auto plain = snap(kTrained, temp / "plain", flags);
  BOOST_REQUIRE_MESSAGE(plain.code == 0, plain.output);
  const auto result = snap(kTrained, temp / "snap", flags + " --positive-scales");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  const auto before = report_of(temp / "plain"), after = report_of(temp / "snap");
  BOOST_TEST(before["consumers"]["clamp"]["weight_error"].get<double>() > 3e-3);
  BOOST_TEST(after["consumers"]["clamp"]["weight_error"].get<double>() < 1e-3);
  BOOST_TEST(after["negative_scale_share"] == 0.0);
  BOOST_TEST(after["consumers"]["clamp"]["kl_to_trained"] == after["consumers"]["raw"]["kl_to_trained"]);

  const auto cost = after["positive_scales"];
  BOOST_TEST(cost["below"].get<int>() > 0);
  BOOST_TEST(cost["linears"].get<int>() > 0);
  BOOST_TEST(cost["by_outputs"] == true);
  // The model is still the trained one: the trained scales read as absolute values cost a KL of 0.1 and more.
  BOOST_TEST(cost["kl_to_trained"].get<double>() > 0.0);
  BOOST_TEST(cost["kl_to_trained"].get<double>() < 0.02);
  BOOST_TEST(cost["clamped_error"].get<double>() > 0.0);
  BOOST_TEST(result.output.find("positive scales: ") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("KL from the trained model ") != std::string::npos, result.output);
  // Without rows weights are what counts.
  const auto weights = snap(kTrained, temp / "weights", "--fp16 --no-test --positive-scales");
  BOOST_REQUIRE_MESSAGE(weights.code == 0, weights.output);
  BOOST_TEST(report_of(temp / "weights")["positive_scales"]["by_outputs"] == false);
  BOOST_TEST(report_of(temp / "weights")["positive_scales"]["kl_to_trained"].is_null());
  // A file that has them already is left as it is.
  const auto again = snap((temp / "snap/model_state_dict.pt").string(), temp / "again",
                          "--fp16 --no-test --positive-scales");
  BOOST_REQUIRE_MESSAGE(again.code == 0, again.output);
  BOOST_TEST(again.output.find("none was below 1e-6, nothing was fitted") != std::string::npos, again.output);
}

BOOST_AUTO_TEST_CASE(each_program_is_told_what_it_will_read) {
  const test::TempDir temp;
  const auto universal = snap(kTrained, temp / "u", "--fp16 --no-test");
  BOOST_REQUIRE_MESSAGE(universal.code == 0, universal.output);
  const auto reading = [&](const char* folder, const std::string& program) {
    const nlohmann::json programs = report_of(temp / folder)["programs"];
    for (const auto& [name, verdict] : programs.items()) {
      if (name.find(program) != std::string::npos) return verdict["reading"].get<std::string>();
    }
    return std::string("no such program");
  };
  BOOST_TEST(reading("u", "convert_v2_trace") == "right");
  BOOST_TEST(reading("u", "load_baked") == "changed");
  BOOST_TEST(reading("u", "load_anemll_weights") == "another");
  // Programs of which the same is true share a line.
  BOOST_TEST(
      universal.output.find("\n  convert_v2_trace.py; qwen_converter --part aq1_full; ") != std::string::npos,
      universal.output);
  BOOST_TEST(universal.output.find("config.json beside the file belongs to it") != std::string::npos);
  BOOST_TEST(
      universal.output.find("convert_v2_trace.py --checkpoint " + (temp / "u/model_state_dict.pt").string() +
                            " --model ORG/NAME") != std::string::npos,
      universal.output);
  BOOST_TEST(universal.output.find("--mlp-bits 2 --attn-bits 4") != std::string::npos);

  const auto positive = snap(kTrained, temp / "p", "--fp16 --no-test --positive-scales --layout no-lut");
  BOOST_REQUIRE_MESSAGE(positive.code == 0, positive.output);
  for (const char* program : {"convert_v2_trace", "aq1_full", "aq1-materialized", "load_baked",
                              "load_anemll_weights", "load.py", "load_rf", "the reference"})
    BOOST_TEST(reading("p", program) == "right", program);

  const auto reference = snap(kTrained, temp / "r", "--fp16 --no-test --layout reference");
  BOOST_REQUIRE_MESSAGE(reference.code == 0, reference.output);
  BOOST_TEST(reading("r", "the reference") == "right");
  BOOST_TEST(reading("r", "aq1_full") != "right");
}

BOOST_AUTO_TEST_CASE(without_an_output_it_is_verified_and_tested_only) {
  const test::TempDir temp;
  const auto result =
      test::run("cd " + temp.path().string() + " && " + test::bin("anemll_snap") + " --checkpoint " +
                kTrained + " --model-id " + test::golden("nano").string() + " --fp16 --test --test-tokens 8");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(entries(temp.path()).empty());
  BOOST_TEST(result.output.find("verified and tested only") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("verified: raw is off by ") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("> What is the capital of France?") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("KL from the unquantised model on these prompts: ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(answers_of_both_are_in_the_report) {
  const test::TempDir temp;
  const auto result = snap(kTrained, temp / "snap", "--fp16 --test-tokens 8");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  const auto report = report_of(temp / "snap");
  BOOST_TEST(report["answers"].size() == 4U);
  for (const auto& answer : report["answers"]) {
    BOOST_TEST(!answer["trained"].get<std::string>().empty());
    if (answer["same"] == true) BOOST_TEST(answer["trained"] == answer["snapped"]);
  }
  BOOST_TEST(report["kl_to_unquantised_on_prompts"].get<double>() > 0.0);
  BOOST_TEST(snap(kTrained, temp / "other", "--fp16 --no-test").code == 0);
  BOOST_TEST(!report_of(temp / "other").contains("answers"));
  // A model without a tokenizer is snapped all the same, unless answers are asked for.
  const fs::path bare = temp / "bare";
  fs::create_directories(bare);
  for (const char* file : {"config.json", "model.safetensors"})
    fs::copy_file(test::golden("nano") / file, bare / file);
  const auto from_bare = [&](const std::string& flags) {
    return test::run(test::bin("anemll_snap") + " --checkpoint " + kTrained + " --model-id " + bare.string() +
                     " --fp16 " + flags);
  };
  const auto untested = from_bare("");
  BOOST_TEST(untested.code == 0, untested.output);
  BOOST_TEST(untested.output.find("answers are not compared") != std::string::npos, untested.output);
  BOOST_TEST(from_bare("--test").code == 3);
}

BOOST_AUTO_TEST_CASE(a_config_json_that_contradicts_the_shapes_is_told_in_one_line) {
  const test::TempDir temp;
  fs::create_directory(temp / "run");
  fs::copy_file(kTrained, temp / "run/best.pt");
  std::ofstream(temp / "run/config.json")
      << R"({"config_preset": "q4a4", "lut_bits": 4, "attn_lut_bits": 4})";
  const auto result = snap((temp / "run/best.pt").string(), temp / "snap", "--fp16");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(
      result.output.find("config.json says lut_bits 4, config_preset q4a4; the checkpoint has MLP 4 entries "
                         "rank 32, attention 16 entries rank 8, which is used") != std::string::npos,
      result.output);
}

BOOST_AUTO_TEST_CASE(a_file_that_half_cannot_hold_fails_with_5) {
  const test::TempDir temp;
  // The product stays what it was, but scale_A saturates and the magnitudes vanish.
  write_changed(temp / "huge.pt", {{".scale_A", [](float v) { return v * 1e8F; }},
                                   {".rank_magnitude", [](float v) { return v * 1e-9F; }}});
  const auto broken = snap((temp / "huge.pt").string(), temp / "reference", "--fp16 --layout reference");
  BOOST_TEST(broken.code == 5, broken.output);
  BOOST_TEST(broken.output.find("NOT verified") != std::string::npos);
  BOOST_TEST(report_of(temp / "reference")["half_casts"]["saturated"].get<int>() > 0);
  BOOST_TEST(report_of(temp / "reference")["gate"]["passed"] == false);
  // Baking multiplies the two first, and nothing is lost.
  const auto baked = snap((temp / "huge.pt").string(), temp / "universal", "--fp16");
  BOOST_TEST(baked.code == 0, baked.output);
}

BOOST_AUTO_TEST_CASE(a_nan_is_refused_by_name_and_no_file_made) {
  const test::TempDir temp;
  for (const std::string name : {"up_proj.scale_B", "model.norm.weight"}) {
    write_changed(temp / "nan.pt", {{name, [](float) { return std::numeric_limits<float>::quiet_NaN(); }}});
    const auto result = snap((temp / "nan.pt").string(), temp / "snap", "--fp16");
    BOOST_TEST(result.code == 3, result.output);
    BOOST_TEST(result.output.find(name + " holds") != std::string::npos, result.output);
    BOOST_TEST(result.output.find("best_state_dict.pt") != std::string::npos);
    BOOST_TEST(!fs::exists(temp / "snap"));
  }
}

BOOST_AUTO_TEST_CASE(finite_values_that_become_infinite_in_half_are_named) {
  const test::TempDir temp;
  // Norms stay float32 in the file; its readers cast them.
  write_changed(temp / "huge.pt", {{"model.norm.weight", [](float v) { return v * 1e6F; }}});
  const auto result = snap((temp / "huge.pt").string(), temp / "half", "--fp16");
  BOOST_TEST(result.code == 5, result.output);
  BOOST_TEST(result.output.find("error: model.norm.weight has") != std::string::npos, result.output);
  BOOST_TEST(report_of(temp / "half")["half_casts"]["beyond_half"][0] == "model.norm.weight");
  BOOST_TEST(snap((temp / "huge.pt").string(), temp / "full", "").code == 0);
}

BOOST_AUTO_TEST_CASE(bad_calls_say_what_to_do) {
  const test::TempDir temp;
  BOOST_TEST(snap((temp / "absent.pt").string(), temp / "snap", "").code == 3);
  BOOST_TEST(test::run(test::bin("anemll_snap") + " --output " + (temp / "snap").string()).code == 2);
  fs::create_directories(temp / "full");
  fs::copy_file(kTrained, temp / "full" / "other.pt");
  const auto full = snap(kTrained, temp / "full", "--fp16");
  BOOST_TEST(full.code == 2);
  BOOST_TEST(full.output.find("other.pt") != std::string::npos);
  const auto cache = snap(kTrained, temp / "snap", "--fp16 --cache-dir " + temp.path().string());
  BOOST_TEST(cache.code == 3, cache.output);
  BOOST_TEST(!fs::exists(temp / "snap"));
}

BOOST_AUTO_TEST_CASE(without_output_nothing_is_written) {
  const test::TempDir temp;
  const fs::path run = temp / "a" / "b";
  fs::create_directories(run);
  fs::copy_file(kTrained, run / "best.pt");
  fs::copy(test::golden("nano/cache"), temp / "cache");  // .pt shards, which are imported to be read
  const auto result =
      test::run("cd " + temp.path().string() + " && TMPDIR=" + temp.path().string() + " " +
                test::bin("anemll_snap") + " --checkpoint " + (run / "best.pt").string() + " --model-id " +
                test::golden("nano").string() + " --no-test --samples 4 --cache-dir cache");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST((entries(temp.path()) == std::set<std::string>{"a", "cache"}));
  BOOST_TEST((entries(temp / "a") == std::set<std::string>{"b"}));
  BOOST_TEST((entries(run) == std::set<std::string>{"best.pt"}));
}

BOOST_AUTO_TEST_CASE(several_processes_do_not_snap_into_one_folder) {
  const test::TempDir temp;
  const auto result =
      test::run(test::mpirun(2, test::bin("anemll_snap") + " --checkpoint " + kTrained + " --model-id " +
                                    test::golden("nano").string() + " --output " + (temp / "snap").string()));
  BOOST_TEST(result.code == 2, result.output);
  BOOST_TEST(result.output.find("anemll_snap works in one process, and 2 were started") != std::string::npos,
             result.output);
  BOOST_TEST(!fs::exists(temp / "snap"));
}

BOOST_AUTO_TEST_CASE(a_report_that_cannot_be_written_is_an_error) {
  const test::TempDir temp;
  const auto result = snap(kTrained, temp / "snap", "--no-test >/dev/full");
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(test::run(test::bin("anemll_snap") + " --help >/dev/full").code == 3);
}

BOOST_AUTO_TEST_CASE(a_file_of_another_format_is_not_made_a_folder) {
  const test::TempDir temp;
  for (const char* wrong : {"x.bin", "x.safetensors"})
    BOOST_TEST(snap(kTrained, temp / wrong, "--no-test").code == 2);
  const auto packed = snap(kTrained, temp / "x.pt", "--no-test --format packed");
  BOOST_TEST(packed.code == 2, packed.output);
  BOOST_TEST(packed.output.find(".safetensors") != std::string::npos, packed.output);
  BOOST_TEST(entries(temp.path()).empty());
}

BOOST_AUTO_TEST_CASE(a_default_model_that_cannot_be_had_is_told_as_such) {
  const test::TempDir temp;
  fs::copy_file(kTrained, temp / "best.pt");
  const auto result = test::run("HF_HUB_OFFLINE=1 HF_HUB_CACHE=" + temp.path().string() + " " +
                                test::bin("anemll_snap") + " --checkpoint " + (temp / "best.pt").string());
  BOOST_TEST(result.code == 3, result.output);
  BOOST_TEST(result.output.find("nothing beside the checkpoint names its model") != std::string::npos,
             result.output);
}

BOOST_AUTO_TEST_SUITE_END()
