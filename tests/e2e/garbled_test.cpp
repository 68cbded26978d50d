// Each cause of garbled output, made on the trained fixture, and what anemll_infer and anemll_snap say of it:
// the cause and no other, with the command that mends it.
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using test::says;

namespace {

using Floats = std::span<float>;

const std::string kTrained = test::golden("nano/v2_q2a4_trained.pt").string();
const std::string kGarbled = "answers will be garbled: ";

/// A copy of the tensor, for `change` where it holds floats.
anemll::HostTensor copy_of(const anemll::HostTensor& tensor) {
  anemll::HostTensor copy = anemll::HostTensor::zeros(tensor.dtype, tensor.shape);
  const anemll::HostTensor packed = tensor.packed();
  std::memcpy(copy.mutable_bytes(), packed.data, packed.bytes());
  return copy;
}

/// The fixture without tensors that `drop` names, and with the floats of those that end in `suffix` changed.
void write_changed(const fs::path& path, const std::vector<std::string>& drop, const std::string& suffix = "",
                   const std::function<void(Floats)>& change = {}, const std::string& from = kTrained) {
  fs::create_directories(path.parent_path());
  std::vector<anemll::LazyTensor> tensors;
  for (const auto& [name, tensor] : anemll::read_state_dict(from)) {
    const auto ends = [&name = name](const std::string& end) { return name.ends_with(end); };
    if (std::any_of(drop.begin(), drop.end(), ends)) continue;
    anemll::HostTensor copy = copy_of(tensor);
    if (change && name.ends_with(suffix)) {
      BOOST_REQUIRE(tensor.dtype == anemll::DType::f32);
      change({reinterpret_cast<float*>(copy.mutable_bytes()), static_cast<std::size_t>(copy.numel())});
    }
    tensors.push_back(anemll::lazy(name, copy));
  }
  anemll::write_torch_file(path, tensors);
}

test::ToolResult infer(const std::string& checkpoint, const std::string& more = "") {
  return test::run(test::bin("anemll_infer") + " " + checkpoint + " --model-id " +
                   test::golden("nano").string() + " --greedy --max-tokens 2 --prompt hi --threads 1 " +
                   more);
}

test::ToolResult snap(const std::string& checkpoint, const std::string& more = "") {
  return test::run(test::bin("anemll_snap") + " --checkpoint " + checkpoint + " --model-id " +
                   test::golden("nano").string() + " " + more);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++found;
  return found;
}

/// Both programs say this cause and its remedy, and no other cause.
void told(const fs::path& checkpoint, const std::string& cause, const std::string& remedy) {
  for (const test::ToolResult& result :
       {infer(checkpoint.string()), snap(checkpoint.string(), "--fp16 --no-test")}) {
    BOOST_TEST(says(result.output, kGarbled), result.output);
    BOOST_TEST(count(result.output, kGarbled) == 1U, result.output);
    BOOST_TEST(says(result.output, cause), "no '" << cause << "' in: " << result.output);
    BOOST_TEST(says(result.output, remedy), "no '" << remedy << "' in: " << result.output);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(garbled)

BOOST_AUTO_TEST_CASE(a_healthy_checkpoint_is_told_nothing) {
  const test::TempDir temp;
  const test::ToolResult plain = infer(kTrained, "--check");
  BOOST_TEST(plain.code == 0, plain.output);
  BOOST_TEST(!says(plain.output, "garbled"), plain.output);
  BOOST_TEST(says(plain.output, "KL from the unquantised model on the prompt: "), plain.output);
  for (const std::string layout : {"universal", "no-lut", "reference"}) {
    const fs::path folder = temp / layout;
    const test::ToolResult made =
        snap(kTrained, "--fp16 --no-test --output " + folder.string() + " --layout " + layout);
    BOOST_TEST_REQUIRE(made.code == 0, made.output);
    BOOST_TEST(!says(made.output, kGarbled), made.output);
    const test::ToolResult answer = infer(folder.string());
    BOOST_TEST(answer.code == 0, answer.output);
    BOOST_TEST(!says(answer.output, "garbled"), answer.output);
  }
}

BOOST_AUTO_TEST_CASE(force_positive_scales_that_was_not_trained_with) {
  const test::TempDir temp;
  write_changed(temp / "run/best.pt", {});
  std::ofstream(temp / "run/config.json") << R"({"force_positive_scales": true})";
  told(temp / "run/best.pt",
       "force_positive_scales is true in config.json, but the model was trained without it",
       "sed -i 's/\"force_positive_scales\": *true/\"force_positive_scales\": false/' ");
  // The command mends it.
  BOOST_TEST(test::run("sed -i 's/\"force_positive_scales\": *true/\"force_positive_scales\": false/' " +
                       (temp / "run/config.json").string())
                 .code == 0);
  BOOST_TEST(!says(infer((temp / "run/best.pt").string()).output, "garbled"));
}

BOOST_AUTO_TEST_CASE(a_snapped_file_whose_flag_is_lost) {
  const test::TempDir temp;
  const fs::path folder = temp / "snap";
  BOOST_REQUIRE(snap(kTrained, "--no-test --output " + folder.string()).code == 0);
  write_changed(temp / "lost/model_state_dict.pt", {"._scales_baked_flag"}, "", {},
                (folder / "model_state_dict.pt").string());
  fs::copy_file(folder / "config.json", temp / "lost/config.json");
  told(temp / "lost/model_state_dict.pt", "_scales_baked_flag is not what the scales are",
       "anemll_snap --checkpoint CKPT --output DIR --fp16");
}

BOOST_AUTO_TEST_CASE(entries_that_are_nowhere) {
  const test::TempDir temp;
  write_changed(temp / "run/best.pt", {"._Q", "._indices"});
  told(temp / "run/best.pt", "14 linears have neither _Q nor _indices",
       "best_state_dict.pt of the run's folder");
}

BOOST_AUTO_TEST_CASE(scales_of_the_other_sign) {
  const test::TempDir temp;
  write_changed(temp / "run/best.pt", {}, ".rank_magnitude", [](Floats g) {
    for (float& value : g) value = -value;
  });
  told(temp / "run/best.pt", "scales are negative", "anemll_inspect layers FILE");
}

BOOST_AUTO_TEST_CASE(entries_of_another_model) {
  const test::TempDir temp;
  write_changed(temp / "run/best.pt", {"._indices"}, "._Q", [](Floats q) {
    std::rotate(q.begin(), q.begin() + static_cast<std::ptrdiff_t>(q.size() / 2 + 1), q.end());
  });
  told(temp / "run/best.pt", "the checkpoint is of another model, or its scales are damaged",
       "give --model-id of the model that was trained");
}

BOOST_AUTO_TEST_CASE(a_model_far_from_its_own_is_told_on_the_prompt) {
  const test::TempDir temp;
  // The final norm decides how sharp a distribution is; no weight of a linear changes.
  write_changed(temp / "run/best.pt", {}, "model.norm.weight", [](Floats norm) {
    for (float& value : norm) value *= -1000;
  });
  const test::ToolResult quiet = infer((temp / "run/best.pt").string());
  BOOST_TEST(!says(quiet.output, "garbled"), quiet.output);
  const test::ToolResult checked = infer((temp / "run/best.pt").string(), "--check");
  BOOST_TEST(checked.code == 0, checked.output);
  BOOST_TEST(says(checked.output, kGarbled + "KL from the unquantised model on the prompt: "),
             checked.output);
  const test::ToolResult snapped = snap((temp / "run/best.pt").string(), "--fp16");
  BOOST_TEST(says(snapped.output, "garbled: KL above 3"), snapped.output);
}

BOOST_AUTO_TEST_CASE(a_template_of_another_model) {
  const test::ToolResult result = infer(kTrained, "--chat-template smollm2");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(says(result.output, "--chat-template smollm2 is not the template of"), result.output);
}

// What cannot be read at all is an error with its own words.
BOOST_AUTO_TEST_CASE(what_is_no_number_or_no_entry_is_refused_by_name) {
  const test::TempDir temp;
  write_changed(temp / "nan/best.pt", {}, "up_proj.scale_A", [](Floats a) { a[0] = NAN; });
  const test::ToolResult nan = infer((temp / "nan/best.pt").string());
  BOOST_TEST(nan.code == 3, nan.output);
  BOOST_TEST(says(nan.output, "up_proj.scale_A holds"), nan.output);
  write_changed(temp / "lut/best.pt", {"._indices"}, "._Q", [](Floats q) { q[0] = 0.123F; });
  const test::ToolResult lut = infer((temp / "lut/best.pt").string());
  BOOST_TEST(lut.code == 3, lut.output);
  BOOST_TEST(says(lut.output, "away from every entry of its lut"), lut.output);
}

BOOST_AUTO_TEST_SUITE_END()
