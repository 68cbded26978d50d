// Evaluation on a cache and the snap, in memory.
#include "anemll/formats/torch_file.hpp"
#include "src/export/consumers.hpp"
#include "tests/unit/api/support.hpp"

#include <cmath>
#include <filesystem>

using namespace anemll;
using test::golden;

namespace {

// The reference's evaluation of the trained file over 16 sequences (traj_v2_scratch_exact in
// nano/goldens.json); fp32 sums differ in order only.
constexpr double kTrainedLoss16 = 0.01653700607130304;
constexpr double kEvaluationTolerance = 1e-4;
// Two half roundings for each product of the scales.
constexpr double kHalfTolerance = 2e-3;

EvaluateOptions sixteen() {
  EvaluateOptions options;
  options.samples = 16;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_score)

BOOST_AUTO_TEST_CASE(the_loss_is_the_references) {
  Model model = test::trained_nano();
  const double loss = evaluate_kd_loss(model, golden("nano/cache"), sixteen());
  BOOST_CHECK_CLOSE_FRACTION(loss, kTrainedLoss16, kEvaluationTolerance);
  // The cache is the model's own.
  Model plain = test::nano();
  BOOST_TEST(evaluate_kd_loss(plain, golden("nano/cache"), sixteen()) < 0.1 * kTrainedLoss16);
  // Twice the temperature is another loss, though T^2 makes up for most of it.
  EvaluateOptions warm = sixteen();
  warm.temperature = 4;
  BOOST_TEST(std::abs(evaluate_kd_loss(model, golden("nano/cache"), warm) / loss - 1) > kEvaluationTolerance);
}

BOOST_AUTO_TEST_CASE(evaluations_are_refused_by_name) {
  Model model = test::nano();
  EvaluateOptions options;
  options.samples = 0;
  test::check_error([&] { evaluate_kd_loss(model, golden("nano/cache"), options); }, ExitCode::usage,
                    "samples 0");
  options = {};
  options.temperature = -1;
  test::check_error([&] { evaluate_kd_loss(model, golden("nano/cache"), options); }, ExitCode::usage,
                    "temperature -1");
  test::check_error([&] { evaluate_kd_loss(model, "/nowhere"); }, ExitCode::data, "/nowhere");
}

BOOST_AUTO_TEST_CASE(a_work_dir_keeps_the_import) {
  const test::TempDir dir;
  Model model = test::nano();
  EvaluateOptions options = sixteen();
  options.work_dir = dir.path();
  evaluate_kd_loss(model, golden("nano/cache"), options);
  BOOST_TEST(!std::filesystem::is_empty(dir.path()));
}

BOOST_AUTO_TEST_CASE(the_model_is_what_the_file_holds) {
  const test::TempDir dir;
  Model model = test::trained_nano();
  const at::Tensor trained = model.weight(test::kDown);
  AneSnapOptions options;
  options.output = (dir / "snap").string();
  options.cache_dir = golden("nano/cache").string();
  options.samples = 16;
  const AneSnap snap = snap_model_for_ane_v2(model, options);
  BOOST_TEST(snap.layers == 14);
  BOOST_TEST(snap.file == dir / "snap/model_state_dict.pt");
  BOOST_TEST(snap.weight_error > 0);
  BOOST_TEST(snap.weight_error < kHalfTolerance);
  BOOST_CHECK_CLOSE_FRACTION(snap.trained_kd_loss.value(), kTrainedLoss16, kEvaluationTolerance);
  BOOST_TEST(snap.report.find("14 linears") != std::string::npos);

  const TensorMap file = read_state_dict(snap.file);
  const at::Tensor written = effective_weight(read_snapped_layer(file, test::kDown), Consumer::raw);
  BOOST_TEST(test::distance(model.weight(test::kDown), written) < 1e-6);
  BOOST_TEST(!model.weight(test::kDown).equal(trained));
  BOOST_CHECK_CLOSE_FRACTION(evaluate_kd_loss(model, golden("nano/cache"), sixteen()),
                             snap.file_kd_loss.value(), 1e-5);
  test::check_error([&] { freeze_Q_all(model); }, ExitCode::usage, "float weights are gone");
  Model again = test::nano();
  load_v2_checkpoint(again, snap.file);
  test::check_error([&] { freeze_Q_all(again); }, ExitCode::usage, "float weights are gone");
}

BOOST_AUTO_TEST_CASE(without_an_output_nothing_is_written) {
  Model model = test::trained_nano();
  Model packed = test::trained_nano();
  const AneSnap snap = snap_model_for_ane_v2(model);
  BOOST_TEST(snap.file.empty());
  BOOST_TEST(!snap.trained_kd_loss.has_value());
  AneSnapOptions reference;
  reference.layout = AneLayout::reference;
  snap_model_for_ane_v2(packed, reference);
  // Another layout, the same model but for roundings; its float weights are still there.
  BOOST_TEST(test::distance(packed.weight(test::kDown), model.weight(test::kDown)) < kHalfTolerance);
  BOOST_TEST(freeze_Q_all(packed) == 14);
}

BOOST_AUTO_TEST_CASE(snaps_are_refused_by_name) {
  const test::TempDir dir;
  std::filesystem::copy_file(golden("nano/v2_q2a4_trained.pt"), dir / "trained.pt");
  Model model = test::nano();
  AneSnapOptions options;
  test::check_error([&] { snap_model_for_ane_v2(model, options); }, ExitCode::usage, "no V2 layers");
  load_v2_checkpoint(model, dir / "trained.pt");
  options.output = dir.path().string();
  test::check_error([&] { snap_model_for_ane_v2(model, options); }, ExitCode::usage,
                    "the checkpoint lies in the output folder");
  options.output = (dir / "x.safetensors").string();
  test::check_error([&] { snap_model_for_ane_v2(model, options); }, ExitCode::usage, "a file .pt");
  options = {};
  options.scale_bits = 9;
  test::check_error([&] { snap_model_for_ane_v2(model, options); }, ExitCode::usage, "9");
  options = {};
  options.cache_dir = golden("nano/cache").string();
  options.samples = 0;
  test::check_error([&] { snap_model_for_ane_v2(model, options); }, ExitCode::usage, "samples 0");
}

BOOST_AUTO_TEST_SUITE_END()
