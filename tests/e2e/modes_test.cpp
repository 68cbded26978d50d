// Every way to train, briefly, from scratch on the nano model: it runs, learns, and does what its name says.
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tool_run.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

namespace fs = std::filesystem;
namespace test = anemll::test;

namespace {

struct Run {
  std::vector<test::CsvRow> rows;
  std::vector<std::string>
      changed;  ///< keys whose tensor differs between v2_scratch_initial.pt and the last file
};

std::vector<std::string> changed_keys(const fs::path& folder) {
  fs::path last;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find("_fp32_") != std::string::npos) last = entry.path();
  }
  const anemll::TensorMap before = anemll::read_state_dict(folder / "v2_scratch_initial.pt");
  std::vector<std::string> names;
  for (const auto& [name, tensor] : anemll::read_state_dict(last)) {
    const anemll::HostTensor* old = before.find(name);
    if (std::memcmp(old->data, tensor.data, tensor.bytes()) != 0) names.push_back(name);
  }
  return names;
}

Run train(const std::string& flags) {
  const test::TempDir out;
  const std::string nano = test::golden("nano").string();
  const test::ToolResult result = test::run(
      test::bin("anemll_train") + " --from-scratch --model-id " + nano + " --cache-dir " + nano +
      "/cache --output-dir " + out.path().string() +
      " --max-steps 6 --batch-size 4 --eval-samples 8 --group-size 2 --logging-steps 3 --warmup-steps 1"
      " --lr 1e-3 --precision fp32 --threads 1 " +
      flags);
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  return {test::read_csv(out / "training_log.csv"), changed_keys(out.path())};
}

bool falls(const Run& run) {
  return std::stod(run.rows.back().eval) < std::stod(run.rows.front().eval);
}

/// Keys that contain `part`, among those that changed.
std::size_t count(const Run& run, const std::string& part) {
  std::size_t n = 0;
  for (const std::string& key : run.changed) n += key.find(part) != std::string::npos ? 1U : 0U;
  return n;
}

constexpr std::size_t kLayers = 14;  // linears of the nano model: 8 of attention, 6 of the MLP

}  // namespace

BOOST_AUTO_TEST_SUITE(modes)

BOOST_AUTO_TEST_CASE(scales_are_trained_and_nothing_else) {
  const Run run = train("");
  BOOST_TEST(falls(run));
  BOOST_TEST(count(run, ".scale_A") == kLayers);
  BOOST_TEST(count(run, ".scale_B") == kLayers);
  BOOST_TEST(count(run, ".rank_magnitude") == kLayers);
  BOOST_TEST(run.changed.size() == 3 * kLayers);
}

BOOST_AUTO_TEST_CASE(selections) {
  BOOST_TEST(train("--g-only").changed.size() == kLayers);
  BOOST_TEST(train("--mlp-only").changed.size() == 3U * 6);
  BOOST_TEST(train("--attn-only").changed.size() == 3U * 8);
  const Run mags = train("--freeze-mags");
  BOOST_TEST(count(mags, ".scale_A") == kLayers);
  BOOST_TEST(count(mags, ".rank_magnitude") == 0U);  // the init has half magnitudes already
  BOOST_TEST(count(train("--freeze-mags-mlp"), ".rank_magnitude") == 8U);
  const Run norms = train("--train-norms-only");
  BOOST_TEST(count(norms, "norm.weight") == 5U);
  BOOST_TEST(norms.changed.size() == 5U);
}

// The reference refuses this: nothing is left to train.
BOOST_AUTO_TEST_CASE(freeze_all_rounds_the_source_and_ends) {
  const test::TempDir out;
  const fs::path source = test::golden("nano/v2_q2a4_trained.pt");
  const test::ToolResult result = test::run(test::bin("anemll_train") + " --freeze-all --v2-checkpoint " +
                                            source.string() + " --model-id " + test::golden("nano").string() +
                                            " --cache-dir " + test::golden("nano/cache").string() +
                                            " --output-dir " + (out / "run").string() + " --threads 1");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(
      result.output.find("nothing is trained, so these are not read: --cache-dir\n") != std::string::npos,
      result.output);
  BOOST_TEST(fs::exists(out / "run/config.json"));
  const anemll::TensorMap before = anemll::read_state_dict(source);
  const anemll::TensorMap after = anemll::read_state_dict(out / "run/best_state_dict.pt");
  constexpr float kSmallestNormalHalf = 6.103515625e-5F;
  std::size_t scales = 0, changed = 0, no_halves = 0;
  for (const auto& [name, tensor] : after) {
    const anemll::HostTensor* old = before.find(name);
    if (old == nullptr || old->describe() != tensor.describe()) continue;
    const bool same = std::memcmp(old->data, tensor.data, tensor.bytes()) == 0;
    if (name.find(".scale_") == std::string::npos && !name.ends_with(".rank_magnitude")) {
      BOOST_TEST(same, name);
      continue;
    }
    ++scales;
    changed += same ? 0U : 1U;
    std::vector<std::uint32_t> bits(static_cast<std::size_t>(tensor.numel()));
    std::memcpy(bits.data(), tensor.data, tensor.bytes());
    for (const std::uint32_t value : bits) {
      float number = 0;
      std::memcpy(&number, &value, sizeof number);
      const bool normal = number >= kSmallestNormalHalf || number <= -kSmallestNormalHalf;
      no_halves += normal && (value & 0x1fffU) != 0 ? 1U : 0U;  // a half has ten bits behind the first
    }
  }
  BOOST_TEST(scales == 3 * kLayers);
  BOOST_TEST(changed > 0U);
  BOOST_TEST(no_halves == 0U);
}

BOOST_AUTO_TEST_CASE(gradient_checkpointing_changes_no_bit) {
  const Run plain = train("");
  const Run recomputed = train("--gradient-checkpointing");
  for (std::size_t i = 0; i < plain.rows.size(); ++i) {
    BOOST_TEST(plain.rows[i].train == recomputed.rows[i].train);
    BOOST_TEST(plain.rows[i].eval == recomputed.rows[i].eval);
  }
}

BOOST_AUTO_TEST_CASE(losses_and_schedules) {
  for (const char* flags :
       {"--sampled-ce-weight 0.1", "--no-full-logits", "--constant-lr --hard-top1-end 0",
        "--weight-decay 0.1", "--temperature 1", "--accumulation-steps 2", "--order sequential"}) {
    BOOST_TEST(falls(train(flags)), flags);
  }
}

BOOST_AUTO_TEST_CASE(starts_and_precisions) {
  for (const char* flags :
       {"--fast-init", "--svd-floor none", "--config q4a4", "--config q2a2", "--mlp-rank 48 --attn-lut 8",
        "--precision bf16", "--forward batched", "--forward loop --ste off", "--bucket-mib 0"}) {
    BOOST_TEST(falls(train(flags)), flags);
  }
}

BOOST_AUTO_TEST_CASE(positive_scales_stay_positive) {
  const test::TempDir out;
  const std::string nano = test::golden("nano").string();
  const std::string again = test::bin("anemll_train") + " --model-id " + nano + " --cache-dir " + nano +
                            "/cache --output-dir " + (out / "run").string() +
                            " --max-steps 12 --batch-size 4 --lr 1e-2 --warmup-steps 1 --group-size 2 "
                            "--eval-samples 8 --threads 1";
  const auto result = test::run(again + " --from-scratch --positive-scales");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  const auto config = nlohmann::json::parse(test::read_all(out / "run/config.json"));
  BOOST_TEST(config.at("force_positive_scales") == true);
  // All programs then read a snap alike, those that take absolute values too.
  const auto snapped = test::run(test::bin("anemll_snap") + " --checkpoint " +
                                 (out / "run/best_state_dict.pt").string() + " --model-id " + nano +
                                 " --fp16 --no-test --layout no-lut --output " + (out / "snap").string());
  BOOST_REQUIRE_MESSAGE(snapped.code == 0, snapped.output);
  BOOST_TEST(snapped.output.find("garbled") == std::string::npos, snapped.output);
  const auto report = nlohmann::json::parse(test::read_all(out / "snap/snap_report.json"));
  BOOST_TEST(report.at("negative_scale_share") == 0.0);
  for (const auto& [name, score] : report.at("consumers").items())
    BOOST_TEST(score.at("weight_error").get<double>() < 1e-3, name);
  // It is the run's own: going on without it is another run, and scales with signs cannot begin it.
  const auto resumed = test::run(again + " --resume auto");
  BOOST_TEST(resumed.code == 2, resumed.output);
  BOOST_TEST(resumed.output.find("positive-scales: true -> false") != std::string::npos, resumed.output);
  const auto refused = test::run(test::bin("anemll_train") + " --v2-checkpoint " + nano +
                                 "/v2_q2a4_init.pt --positive-scales --model-id " + nano + " --cache-dir " +
                                 nano + "/cache --output-dir " + (out / "other").string());
  BOOST_TEST(refused.code == 2, refused.output);
  BOOST_TEST(refused.output.find("the checkpoint's scales have signs") != std::string::npos, refused.output);
}

BOOST_AUTO_TEST_CASE(without_evaluation_and_with_few_kept_files) {
  const test::TempDir out;
  const std::string nano = test::golden("nano").string();
  const auto result = test::run(test::bin("anemll_train") + " --from-scratch --model-id " + nano +
                                " --cache-dir " + nano + "/cache --output-dir " + out.path().string() +
                                " --max-steps 8 --batch-size 4 --group-size 2 --eval-samples 0 --save-steps "
                                "2 --keep-checkpoints 2 --threads 1");
  BOOST_REQUIRE_MESSAGE(result.code == 0, result.output);
  BOOST_TEST(fs::exists(out / "best_state_dict.pt"));
  BOOST_TEST(fs::exists(out / "checkpoint_step8.pt"));
  BOOST_TEST(fs::exists(out / "checkpoint_step6.pt"));
  BOOST_TEST(!fs::exists(out / "checkpoint_step4.pt"));
}

BOOST_AUTO_TEST_CASE(a_dry_run_and_a_refused_start_leave_nothing) {
  const test::TempDir dir;
  const fs::path text = dir / "text.txt", out = dir / "runs/out";
  std::string words;
  for (int i = 0; i < 400; ++i) words += "The quick brown fox jumps over the lazy dog. ";
  anemll::write_file(text, words);
  const auto left = [&](const std::string& command, int code) {
    const auto result = test::run(command);
    BOOST_TEST(result.code == code, command << result.output);
    BOOST_TEST(!fs::exists(dir / "runs"), command);
    fs::remove_all(dir / "runs");
  };
  const std::string model = " --model-id " + test::golden("nano").string();
  const std::string train = test::bin("anemll_train") + " --from-scratch --group-size 2 --threads 1" +
                            " --output-dir " + out.string();
  const std::string rows = model + " --cache-dir " + test::golden("nano/cache").string();
  left(train + rows + " --dry-run", 0);
  left(train + rows + " --freeze-all --dry-run", 0);
  left(train + model + " --teacher-model " + test::golden("nano").string() +
           " --max_length 32 --holdout 0 --dry-run" + " --dataset_name " + text.string(),
       0);
  left(train + " --cache-dir " + test::golden("nano/cache").string() + " --model-id " +
           (dir / "none").string(),
       3);
  left(train + model + " --cache-dir " + (dir / "none").string(), 3);
  const std::string teacher = " --teacher_model_name_or_path " + test::golden("nano").string();
  anemll::write_file(text, "Too little.");
  left(test::bin("anemll_precompute") + teacher + " --max_length 500 --holdout 0 --dataset_name " +
           text.string() + " --output_dir " + out.string(),
       3);
  left(test::bin("anemll_snap") + " --checkpoint " + (dir / "none.pt").string() + model + " --output " +
           out.string(),
       3);
}

BOOST_AUTO_TEST_CASE(dry_run_writes_no_run) {
  const test::TempDir out;
  const std::string nano = test::golden("nano").string();
  const auto result =
      test::run(test::bin("anemll_train") + " --from-scratch --model-id " + nano + " --cache-dir " + nano +
                "/cache --output-dir " + out.path().string() + " --dry-run --group-size 2 --threads 1");
  BOOST_TEST(result.code == 0, result.output);
  BOOST_TEST(result.output.find("Memory per rank") != std::string::npos);
  BOOST_TEST(!fs::exists(out / "training_log.csv"));
  BOOST_TEST(!fs::exists(out / "state"));
}

BOOST_AUTO_TEST_SUITE_END()
