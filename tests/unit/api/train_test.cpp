// train_e2e: what a run leaves in the model and in its folder, and which fields are refused.
#include "anemll/core/file.hpp"
#include "src/api/internal/train_fields.hpp"
#include "tests/unit/api/support.hpp"

#include <cmath>
#include <filesystem>

using namespace anemll;
using test::golden;
namespace fs = std::filesystem;

namespace {

TrainOptions short_run(const fs::path& output) {
  TrainOptions options;
  options.cache_dir = golden("nano/cache").string();
  options.output_dir = output.string();
  options.max_steps = 6;
  options.warmup_steps = 1;
  options.lr = 5e-4;
  options.batch_size = 4;
  options.eval_steps = 3;
  options.eval_samples = 4;
  options.precision = Precision::fp32;
  options.threads = 1;
  return options;
}

fs::path final_file(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with("v2_q2a4_fp32_")) return entry.path();
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_train)

BOOST_AUTO_TEST_CASE(the_model_has_the_last_weights) {
  const test::TempDir dir;
  Model model = test::nano();
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  const at::Tensor before = model.weight(test::kDown);
  const TrainResult run = train_e2e(model, short_run(dir / "run"));
  BOOST_TEST(run.complete);
  BOOST_TEST(run.steps == 6);
  BOOST_TEST(run.best_step == 6);
  BOOST_TEST(run.best_loss < run.initial_loss);
  BOOST_TEST(run.last_loss == run.best_loss);
  BOOST_TEST(run.seconds > 0);
  BOOST_TEST(!model.weight(test::kDown).equal(before));
  Model last = test::nano();
  load_v2_checkpoint(last, final_file(dir / "run"));
  for (const std::string& linear : model.linears())
    BOOST_TEST(model.weight(linear).equal(last.weight(linear)), linear);
  BOOST_TEST(!model.weight(test::kDown).requires_grad());

  model.save(dir / "saved/v2.pt");
  const std::string config = read_text(dir / "saved/config.json");
  BOOST_TEST(config.find((dir / "run").string()) != std::string::npos);  // where its weights come from

  // It is a model like any other: trained on, it comes further.
  TrainOptions more = short_run(dir / "more");
  const TrainResult second = train_e2e(model, more);
  BOOST_TEST(std::abs(second.initial_loss - run.last_loss) < 1e-6);
  BOOST_TEST(second.best_loss < run.best_loss);
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_from_its_state) {
  const test::TempDir dir;
  Model model = test::nano();
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  TrainOptions options = short_run(dir / "run");
  options.constant_lr = true;
  train_e2e(model, options);
  options.max_steps = 9;
  options.resume = "auto";
  Model other = test::nano();  // the state's weights take the place of these
  load_v2_checkpoint(other, golden("nano/v2_q2a4_init.pt"));
  BOOST_TEST(train_e2e(other, options).steps == 9);

  Model whole = test::nano();
  load_v2_checkpoint(whole, golden("nano/v2_q2a4_init.pt"));
  options.resume = "none";
  options.output_dir = (dir / "whole").string();
  train_e2e(whole, options);
  BOOST_TEST(other.weight(test::kDown).equal(whole.weight(test::kDown)));
}

BOOST_AUTO_TEST_CASE(norms_alone_are_trained_and_stay) {
  const test::TempDir dir;
  Model model = test::nano();
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  TrainOptions options = short_run(dir / "run");
  options.train_norms_only = true;
  const at::Tensor before = model.weight(test::kDown);
  const TrainResult run = train_e2e(model, options);
  BOOST_TEST(run.best_loss < run.initial_loss);
  BOOST_TEST(model.weight(test::kDown).equal(before));
  freeze_Q_all(model);  // made anew, with the norms
  EvaluateOptions same;
  same.samples = 4;
  const double frozen = evaluate_kd_loss(model, golden("nano/cache"), same);
  Model start = test::nano();
  load_v2_checkpoint(start, golden("nano/v2_q2a4_init.pt"));
  freeze_Q_all(start);
  BOOST_TEST(frozen < evaluate_kd_loss(start, golden("nano/cache"), same));
}

BOOST_AUTO_TEST_CASE(indices_are_final_before_training) {
  const test::TempDir dir;
  Model model = test::nano();
  test::check_error([&] { train_e2e(model, short_run(dir / "run")); }, ExitCode::usage, "no V2 layers");
  ReplaceOptions options;
  options.fast_init = true;
  replace_linear_with_anemll_v2(model, options);
  test::check_error([&] { train_e2e(model, short_run(dir / "run")); }, ExitCode::usage, "freeze_Q_all");
  BOOST_TEST(!fs::exists(dir / "run"));
}

BOOST_AUTO_TEST_CASE(fields_are_checked_like_flags) {
  const test::TempDir dir;
  const auto refused = [&](const std::function<void(TrainOptions&)>& change, const std::string& part) {
    TrainOptions options = short_run(dir / "run");
    change(options);
    test::check_error([&] { checked_fields(options); }, ExitCode::usage, part);
  };
  refused([](TrainOptions& o) { o.batch_size = -5; }, "batch-size");
  refused([](TrainOptions& o) { o.lr = std::nan(""); }, "lr");
  refused([](TrainOptions& o) { o.min_lr_ratio = 2; }, "min-lr-ratio");
  refused([](TrainOptions& o) { o.from_scratch = true; }, "the model is the source of the run");
  refused([](TrainOptions& o) { o.v2_checkpoint = "x.pt"; }, "--v2-checkpoint");
  refused([](TrainOptions& o) { o.config = "q4a4"; }, "--config");
  refused([](TrainOptions& o) { o.freeze_all = true; }, "--freeze-all");
  const TrainOptions good = checked_fields(short_run(dir / "run"));
  BOOST_TEST(good.is_given("lr"));
  BOOST_TEST(good.is_given("precision"));
  BOOST_TEST(!good.is_given("temperature"));
}

BOOST_AUTO_TEST_CASE(a_run_that_fails_leaves_a_model) {
  const test::TempDir dir;
  Model model = test::nano();
  load_v2_checkpoint(model, golden("nano/v2_q2a4_init.pt"));
  const at::Tensor before = model.weight(test::kDown);
  TrainOptions options = short_run(dir / "run");
  options.cache_dir.clear();
  test::check_error([&] { train_e2e(model, options); }, ExitCode::usage, "--cache-dir");
  // Found out when the run has made the layers its own.
  options = short_run(dir / "run");
  options.best_by = BestBy::holdout;
  test::check_error([&] { train_e2e(model, options); }, ExitCode::usage, "--best-by holdout");
  BOOST_TEST(model.weight(test::kDown).equal(before));
  BOOST_TEST(train_e2e(model, short_run(dir / "run")).steps == 6);
}

BOOST_AUTO_TEST_SUITE_END()
