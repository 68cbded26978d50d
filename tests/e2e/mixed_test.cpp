// A model whose linears all differ, 1 to 4 bits and ranks 1 to 32: trained, resumed, on two ranks, snapped.
#include "anemll/comm/communicator.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/model/model_files.hpp"
#include "src/student/student.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"
#include "tests/support/train_run.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
using namespace anemll;
using nlohmann::json;

namespace {

QuantSpec mixed_spec(const Architecture& architecture) {
  constexpr std::array<std::int64_t, 4> kTables = {2, 4, 8, 16};
  constexpr std::array<std::int64_t, 6> kRanks = {1, 2, 4, 8, 16, 32};
  QuantSpec spec(body_linears(architecture), {}, 16);
  for (std::size_t i = 0; i < spec.entries().size(); ++i) {
    spec.entries()[i].quant.lut_size = kTables[i % kTables.size()];
    spec.entries()[i].quant.rank = kRanks[i % kRanks.size()];
  }
  return spec;
}

/// The mixed nano as a checkpoint; returns its specification.
QuantSpec write_mixed(const fs::path& file) {
  const ModelFiles files = load_model_files(test::golden("nano"));
  QuantSpec spec = mixed_spec(files.architecture);
  InitOptions init;
  init.ste = true;
  const Student student = Student::from_scratch(files, spec, init, at::kCPU, *make_single_communicator());
  write_torch_file(file, student.reference_state_dict(false, nullptr));
  return spec;
}

json config_of(const fs::path& folder) {
  return json::parse(test::read_all(folder / "config.json"));
}

/// The checkpoint's layers have the shapes of the specification.
void has_shapes(const fs::path& file, const QuantSpec& spec) {
  const TensorMap state = read_state_dict(file);
  for (const QuantSpec::Entry& entry : spec.entries()) {
    BOOST_TEST(state.find(entry.linear + ".lut")->numel() == entry.quant.lut_size, entry.linear);
    BOOST_TEST(state.find(entry.linear + ".rank_magnitude")->numel() == entry.quant.rank, entry.linear);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(Mixed)

BOOST_AUTO_TEST_CASE(linears_that_differ_train_resume_and_snap) {
  const test::TempDir dir;
  const QuantSpec spec = write_mixed(dir / "mixed.pt");
  BOOST_REQUIRE(spec.mixed());
  const fs::path run = dir / "run";
  const auto trained = test::run(test::train_command(run, "--max-steps 6", dir / "mixed.pt"));
  BOOST_REQUIRE_MESSAGE(trained.code == 0, trained.output);
  BOOST_TEST(trained.output.find("linears differ: ") != std::string::npos, trained.output);
  const auto resumed = test::run(test::train_command(run, "--max-steps 9 --resume auto", dir / "mixed.pt"));
  BOOST_REQUIRE_MESSAGE(resumed.code == 0, resumed.output);
  has_shapes(run / "best_state_dict.pt", spec);
  BOOST_TEST(config_of(run).at("layer_overrides").size() == spec.exceptions().size());
  BOOST_TEST(config_of(run).at("config_preset").is_null());

  const auto refused = test::run(test::train_command(run, "--max-steps 9 --resume auto --mlp-rank 32"));
  BOOST_TEST(refused.code == 2, refused.output);

  const auto snapped =
      test::run(test::bin("anemll_snap") + " --checkpoint " + (run / "best_state_dict.pt").string() +
                " --model-id " + test::golden("nano").string() + " --output " + (dir / "snap").string() +
                " --fp16 --samples 8 --cache-dir " + test::golden("nano/cache").string());
  BOOST_REQUIRE_MESSAGE(snapped.code == 0, snapped.output);
  const json overrides = config_of(dir / "snap").at("layer_overrides");
  BOOST_TEST(overrides.size() == spec.exceptions().size());
  for (const QuantSpec::Entry& entry : spec.exceptions()) {
    BOOST_TEST(overrides.at(entry.linear).at("lut_bits") == entry.quant.bits());
    BOOST_TEST(overrides.at(entry.linear).at("scale_rank") == entry.quant.rank);
  }
}

BOOST_AUTO_TEST_CASE(ranks_train_the_same_mixed_model) {
  const test::TempDir dir;
  write_mixed(dir / "mixed.pt");
  for (const int ranks : {1, 2}) {
    const fs::path out = dir / std::to_string(ranks);
    const auto result =
        test::run(test::mpirun(ranks, test::train_command(out, "--max-steps 3", dir / "mixed.pt")));
    BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  }
  constexpr double kSums = 2e-5;  // fp32 sums in another order
  const auto last_loss = [&](const char* ranks) {
    json last;
    std::ifstream lines(dir / ranks / "metrics.jsonl");
    for (std::string line; std::getline(lines, line);) {
      const json object = json::parse(line);
      if (object.at("kind") == "eval") last = object.at("loss");
    }
    return last.get<double>();
  };
  BOOST_TEST(std::abs(last_loss("2") / last_loss("1") - 1) < kSums);
}

BOOST_AUTO_TEST_SUITE_END()
