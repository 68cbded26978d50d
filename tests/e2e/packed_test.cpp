// 8-bit scales and the packed file from the outside: the same model as the fp16 file, in fewer bytes; presets
// by kind of linear from the start to the snap.
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_checks.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;
using nlohmann::json;
using test::ask;
using test::refused;
using test::says;

namespace {

std::string snap(const fs::path& checkpoint, const fs::path& to, const std::string& flags) {
  return test::bin("anemll_snap") + " --checkpoint " + checkpoint.string() + " --model-id " +
         test::golden("nano").string() + " --output " + to.string() + " --no-test " + flags;
}

json json_of(const fs::path& file) {
  return json::parse(test::read_all(file));
}

/// Every value, and of linears every type: norms may be stored in a narrower one that holds them.
void same_tensors(const fs::path& one, const fs::path& other) {
  const anemll::TensorMap a = anemll::read_state_dict(one), b = anemll::read_state_dict(other);
  BOOST_TEST(a.size() == b.size());
  for (const auto& [name, tensor] : a) {
    const anemll::HostTensor* same = b.find(name);
    BOOST_TEST_REQUIRE(same != nullptr, name);
    BOOST_TEST((same->dtype == tensor.dtype || name.ends_with("norm.weight")), name);
    BOOST_TEST(anemll::as_torch(*same).to(at::kDouble).equal(anemll::as_torch(tensor).to(at::kDouble)), name);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Packed)

BOOST_AUTO_TEST_CASE(a_packed_file_is_the_fp16_file) {
  const test::TempDir dir;
  const fs::path trained = test::golden("nano/v2_q2a4_trained.pt");
  const test::ToolResult wide = test::run(snap(trained, dir / "wide", "--fp16 --scale-bits 8"));
  test::expect(wide, 0,
               {"8-bit scales: 14 linears rounded", "scales on an 8-bit grid in 14 of 14", "verified"});
  const test::ToolResult packed = test::run(snap(trained, dir / "packed", "--format packed --scale-bits 8"));
  test::expect(packed, 0, {"No ANEMLL program reads a packed file", "verified"});
  const test::ToolResult halves = test::run(snap(trained, dir / "halves", "--format packed"));
  test::expect(halves, 0, {"scales on an 8-bit grid in 0 of 14"});

  const json report = json_of(dir / "packed/snap_report.json");
  const double bits = report.at("bits_per_weight");
  BOOST_TEST(bits == json_of(dir / "wide/snap_report.json").at("bits_per_weight").get<double>());
  BOOST_TEST(bits < 0.7 * json_of(dir / "halves/snap_report.json").at("bits_per_weight").get<double>());
  BOOST_TEST(report.at("scale_grid").at("linears") == 14);
  const auto size = [&](const char* file) { return static_cast<double>(fs::file_size(dir / file)); };
  BOOST_TEST(size("packed/packed.safetensors") < size("halves/packed.safetensors"));
  BOOST_TEST(size("halves/packed.safetensors") < size("wide/model_state_dict.pt"));

  // Scored side by side: no figure differs. The folder of the packed one is named, and its file.
  std::ofstream(dir / "text.txt") << test::read_all(test::golden("README.md")).substr(0, 3000);
  const auto answer =
      ask(test::bin("anemll_eval") + " " + (dir / "wide").string() + " " + (dir / "packed").string() + " " +
          (dir / "packed/packed.safetensors").string() + " --model-id " + test::golden("nano").string() +
          " --text " + (dir / "text.txt").string() + " --context 64 --chunks 4 --threads 1 --json");
  BOOST_TEST_REQUIRE(answer.code == 0, answer.log);
  const json models = json::parse(answer.out).at("models");
  for (const char* figure : {"kl", "perplexity", "bits_per_weight", "packed_mib"}) {
    BOOST_TEST(models[0].at(figure) == models[1].at(figure), figure);
    BOOST_TEST(models[1].at(figure) == models[2].at(figure), figure);
  }
  constexpr double kPrinted = 1e-8;  // the table has nine digits
  BOOST_TEST(std::abs(models[1].at("bits_per_weight").get<double>() / bits - 1) < kPrinted);

  // And snapped once more, it is the fp16 file again: what lies on a grid stays.
  test::expect(test::run(snap(dir / "packed/packed.safetensors", dir / "again", "--fp16 --scale-bits 8")), 0,
               {});
  same_tensors(dir / "wide/model_state_dict.pt", dir / "again/model_state_dict.pt");
}

BOOST_AUTO_TEST_CASE(answers_come_from_a_packed_file) {
  const test::TempDir dir;
  const fs::path trained = test::golden("nano/v2_q2a4_trained.pt");
  test::expect(test::run(snap(trained, dir / "wide", "--fp16 --scale-bits 8")), 0, {});
  test::expect(test::run(snap(trained, dir / "packed", "--format packed --scale-bits 8")), 0, {});
  const auto say = [&](const fs::path& model) {
    const auto answer = ask(test::bin("anemll_infer") + " " + model.string() + " --model-id " +
                            test::golden("nano").string() +
                            " --prompt 'Hello' --greedy --max-tokens 12 --threads 1 --weight-format packed");
    BOOST_TEST(answer.code == 0, answer.log);
    return answer.out;
  };
  const std::string words = say(dir / "packed");
  BOOST_TEST(!words.empty());
  BOOST_TEST(words == say(dir / "wide"));
}

BOOST_AUTO_TEST_CASE(what_is_no_packed_file_is_refused) {
  const test::TempDir dir;
  refused(snap(test::golden("nano/model.safetensors"), dir / "out", ""), 3, "holds plain weights");
  refused(snap(test::golden("nano/v2_q2a4_trained.pt"), dir / "out", "--scale-bits 9"), 2, "9 bits");
}

BOOST_AUTO_TEST_CASE(a_preset_by_kind_goes_from_the_start_to_the_snap) {
  const test::TempDir dir;
  const std::string train = test::bin("anemll_train") + " --from-scratch --model-id " +
                            test::golden("nano").string() + " --cache-dir " +
                            test::golden("nano/cache").string() + " --output-dir " + (dir / "run").string() +
                            " --batch-size 4 --threads 1 --config balanced";
  test::expect(test::run(train + " --max-steps 2"), 0,
               {"2 of 14 linears differ: model.layers.0.mlp.gate_proj"});
  test::expect(test::run(train + " --max-steps 3 --resume auto"), 0, {});
  const json config = json_of(dir / "run/config.json");
  BOOST_TEST(config.at("config_preset") == "balanced");
  BOOST_TEST(config.at("layer_overrides").size() == 2U);
  BOOST_TEST(config.at("layer_overrides").at("model.layers.1.mlp.gate_proj").at("scale_rank") == 4);
  const test::ToolResult snapped = test::run(snap(dir / "run/best_state_dict.pt", dir / "snap", "--fp16"));
  test::expect(snapped, 0, {"test_qwenAQ1_load.py: cannot read it: it wants one table size"});
  const json programs = json_of(dir / "snap/snap_report.json").at("programs");
  BOOST_TEST(programs.at("test_qwenAQ1_load.py").at("reading") == "refuses");
  test::expect(test::run(train + " --max-steps 3 --resume auto --mlp-rank 8"), 2, {"mlp-rank", "hint:"});
}

BOOST_AUTO_TEST_SUITE_END()
