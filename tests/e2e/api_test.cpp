// The API and the programs do the same: equal files from both, byte for byte.
#include "anemll/anemll.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/train_run.hpp"

#include <filesystem>
#include <string>

#include <boost/test/unit_test.hpp>

namespace fs = std::filesystem;
using namespace anemll;
using test::golden;

namespace {

const std::string kNano = golden("nano").string();
const std::string kCache = golden("nano/cache").string();
const std::string kTrained = golden("nano/v2_q2a4_trained.pt").string();

void require(const test::ToolResult& result) {
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
}

void check_equal(const fs::path& one, const fs::path& other) {
  BOOST_REQUIRE(fs::exists(one));
  BOOST_REQUIRE(fs::exists(other));
  BOOST_TEST((test::read_all(one) == test::read_all(other)), one.string() + " and " + other.string());
}

/// The file whose name begins so.
fs::path named(const fs::path& folder, const std::string& beginning) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with(beginning)) return entry.path();
  }
  return {};
}

/// What test::train_command says, as fields.
TrainOptions as_command(const fs::path& out) {
  TrainOptions options;
  options.cache_dir = kCache;
  options.output_dir = out.string();
  options.batch_size = 4;
  options.lr = 5e-4;
  options.warmup_steps = 5;
  options.logging_steps = 5;
  options.eval_steps = 10;
  options.eval_samples = 8;
  options.save_steps = 3;
  options.precision = Precision::fp32;
  options.threads = 1;
  options.seed = 7;
  options.max_steps = 20;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_and_programs)

BOOST_AUTO_TEST_CASE(a_snap_is_the_programs) {
  struct Case {
    std::string flags;
    AneSnapOptions options;
    std::string file = "model_state_dict.pt";
  };
  std::vector<Case> cases(4);
  cases[0].flags = "--fp16";
  cases[1].flags = "--layout reference";
  cases[1].options.layout = AneLayout::reference;
  cases[1].options.fp16 = false;
  cases[2].flags = "--format packed --scale-bits 8";
  cases[2].options.format = SnapFormat::packed;
  cases[2].options.scale_bits = 8;
  cases[2].file = "packed.safetensors";
  cases[3].flags = "--fp16 --positive-scales --samples 8 --cache-dir " + kCache;
  cases[3].options.positive_scales = true;
  cases[3].options.samples = 8;
  cases[3].options.cache_dir = kCache;
  for (Case& one : cases) {
    const test::TempDir temp;
    require(test::run(test::bin("anemll_snap") + " --checkpoint " + kTrained + " --model-id " + kNano +
                      " --no-test --output " + (temp / "program").string() + " " + one.flags));
    Model model = Model::open(kNano);
    load_v2_checkpoint(model, kTrained);
    one.options.output = (temp / "api").string();
    const AneSnap snap = snap_model_for_ane_v2(model, one.options);
    BOOST_TEST_CONTEXT(one.flags) {
      BOOST_TEST(snap.file == (temp / "api") / one.file);
      check_equal(snap.file, (temp / "program") / one.file);
      if (one.file == "model_state_dict.pt")
        check_equal(temp / "api/config.json", temp / "program/config.json");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_run_is_the_programs) {
  const test::TempDir temp;
  const std::string init = golden("nano/v2_q2a4_init.pt").string();
  require(test::run(test::train_command(temp / "program", "--max-steps 20")));
  Model model = Model::open(kNano);
  load_v2_checkpoint(model, init);
  const TrainResult run = train_e2e(model, as_command(temp / "api"));
  BOOST_TEST(run.steps == 20);
  check_equal(temp / "api/best_state_dict.pt", temp / "program/best_state_dict.pt");
  check_equal(temp / "api/checkpoint_step9.pt", temp / "program/checkpoint_step9.pt");
  check_equal(temp / "api/config.json", temp / "program/config.json");
  check_equal(named(temp / "api", "v2_q2a4_fp32"), named(temp / "program", "v2_q2a4_fp32"));

  // The model that stayed in memory, rounded, is the file of halves.
  convert_model_to_fp16_v2(model);
  model.save(temp / "halves/v2.pt");
  const TensorMap halves = read_state_dict(named(temp / "program", "v2_q2a4_fp16"));
  const TensorMap saved = read_state_dict(temp / "halves/v2.pt");
  for (const auto& [name, tensor] : halves) {
    if (!is_floating(tensor.dtype)) continue;
    BOOST_TEST(as_torch(*saved.find(name)).to(at::kFloat).equal(as_torch(tensor).to(at::kFloat)), name);
  }
}

BOOST_AUTO_TEST_CASE(a_start_is_the_programs) {
  const test::TempDir temp;
  require(test::run(test::bin("anemll_train") + " --from-scratch --mlp-rank 16 --model-id " + kNano +
                    " --cache-dir " + kCache + " --output-dir " + (temp / "program").string() +
                    " --max-steps 1 --eval-samples 0 --threads 1"));
  Model model = Model::open(kNano);
  ReplaceOptions options;
  options.mlp_rank = 16;
  BOOST_TEST(replace_linear_with_anemll_v2(model, options) == 14);
  freeze_Q_all(model);
  model.save(temp / "api/v2.pt");
  const TensorMap ours = read_state_dict(temp / "api/v2.pt");
  const TensorMap theirs = read_state_dict(temp / "program/v2_scratch_initial.pt");
  BOOST_TEST(ours.size() == theirs.size());
  for (const auto& [name, tensor] : theirs)
    BOOST_TEST(as_torch(*ours.find(name)).equal(as_torch(tensor)), name);
}

BOOST_AUTO_TEST_SUITE_END()
