// The functions of the layers: replaced, frozen, loaded, rounded, and how they multiply.
#include "anemll/core/file.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/support/open_student.hpp"
#include "tests/unit/api/support.hpp"

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

using namespace anemll;
using test::golden;

namespace {

// The singular vectors of another library: the product of the factors agrees to a few roundings, and single
// weights that lie between two table entries fall to the other one.
constexpr double kStartTolerance = 2e-3;

ReplaceOptions nano_options() {
  ReplaceOptions options;
  options.group_size = 2;
  return options;
}

at::Tensor some_ids() {
  return at::arange(48, at::kLong).mul(83).remainder(4096).view({2, 24});
}

/// A checkpoint without the keys that end so.
void write_without(const std::filesystem::path& file, const std::filesystem::path& source,
                   const std::string& suffix) {
  std::vector<LazyTensor> tensors;
  for (const auto& [name, tensor] : read_state_dict(source)) {
    if (!name.ends_with(suffix)) tensors.push_back(lazy(name, tensor));
  }
  write_torch_file(file, tensors);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_layers)

BOOST_AUTO_TEST_CASE(replaced_linears_are_the_references_start) {
  Model model = test::nano();
  Model reference = test::nano();
  load_v2_checkpoint(reference, golden("nano/v2_q2a4_init.pt"));
  BOOST_TEST(replace_linear_with_anemll_v2(model, nano_options()) == 14);
  BOOST_TEST(model.quantised());
  const at::Tensor before = model.weight(test::kDown);
  BOOST_TEST(freeze_Q_all(model) == 14);
  // The scales have not changed since the indices were chosen by them.
  BOOST_TEST(model.weight(test::kDown).equal(before));
  for (const std::string& linear : model.linears())
    BOOST_TEST(test::distance(model.weight(linear), reference.weight(linear)) < kStartTolerance, linear);
}

BOOST_AUTO_TEST_CASE(replacing_follows_its_options) {
  Model model = test::nano();
  ReplaceOptions options = nano_options();
  options.mlp_lut = 16;
  replace_linear_with_anemll_v2(model, options);
  Model coarse = test::nano();
  replace_linear_with_anemll_v2(coarse, nano_options());
  const at::Tensor weight = test::nano().weight(test::kDown);
  BOOST_TEST(test::distance(model.weight(test::kDown), weight) <
             0.7 * test::distance(coarse.weight(test::kDown), weight));
  options.config = "q9";
  Model other = test::nano();
  test::check_error([&] { replace_linear_with_anemll_v2(other, options); }, ExitCode::usage, "q9");
  options = nano_options();
  options.group_size = 0;
  test::check_error([&] { replace_linear_with_anemll_v2(other, options); }, ExitCode::usage, "group_size 0");
  BOOST_TEST(!other.quantised());
  test::check_error([&] { replace_linear_with_anemll_v2(model); }, ExitCode::usage, "V2 layers already");
}

BOOST_AUTO_TEST_CASE(freezing_chooses_indices_by_the_present_scales) {
  const test::TempDir dir;
  Model model = test::trained_nano();
  const at::Tensor trained = model.weight(test::kDown);
  const at::Tensor weight = test::nano().weight(test::kDown);
  freeze_Q_all(model);
  const at::Tensor frozen = model.weight(test::kDown);
  BOOST_TEST(test::distance(frozen, weight) < test::distance(trained, weight));

  // A file without _Q says the same, and is told by its number.
  write_without(dir / "bare.pt", golden("nano/v2_q2a4_trained.pt"), "._Q");
  write_without(dir / "bare.pt", dir / "bare.pt", "._indices");
  Model bare = test::nano();
  const LoadedCheckpoint loaded = load_v2_checkpoint(bare, dir / "bare.pt");
  BOOST_TEST(loaded.layers == 14);
  BOOST_TEST(loaded.with_q == 0);
  // Loading rounds magnitudes to half before it chooses, as training does.
  BOOST_TEST(test::distance(bare.weight(test::kDown), frozen) < 0.02);
  test::check_error(
      [] {
        Model plain = test::nano();
        freeze_Q_all(plain);
      },
      ExitCode::usage, "no V2 layers");
}

BOOST_AUTO_TEST_CASE(a_checkpoint_brings_its_layers) {
  Model model = test::nano();
  const LoadedCheckpoint loaded = load_v2_checkpoint(model, golden("nano/v2_q2a4_trained.pt"));
  BOOST_TEST(loaded.layers == 14);
  BOOST_TEST(loaded.with_q == 14);
  const ModelFiles files = load_model_files(golden("nano"));
  const Student student = test::open_student(files, golden("nano/v2_q2a4_trained.pt"));
  for (const QuantLayer* layer : student.layers())
    BOOST_TEST(model.weight(layer->name()).equal(layer->effective_weight(at::kFloat)), layer->name());

  // Into replaced linears only of the same tables and ranks.
  Model replaced = test::nano();
  replace_linear_with_anemll_v2(replaced, nano_options());
  BOOST_TEST(load_v2_checkpoint(replaced, golden("nano/v2_q2a4_trained.pt")).layers == 14);
  Model wide = test::nano();
  ReplaceOptions options = nano_options();
  options.mlp_lut = 16;
  replace_linear_with_anemll_v2(wide, options);
  const at::Tensor before = wide.weight(test::kDown);
  test::check_error([&] { load_v2_checkpoint(wide, golden("nano/v2_q2a4_trained.pt")); }, ExitCode::data,
                    "has 4 table entries and rank 32, the model 16 and 32");
  BOOST_TEST(wide.weight(test::kDown).equal(before));
  test::check_error([&] { load_v2_checkpoint(model, "/nowhere.pt"); }, ExitCode::data, "/nowhere.pt");
}

BOOST_AUTO_TEST_CASE(fp16_rounds_all_floats_of_the_layers) {
  const test::TempDir dir;
  Model model = test::trained_nano();
  BOOST_TEST(convert_model_to_fp16_v2(model) == 14);
  model.save(dir / "fp16/v2.pt");
  const TensorMap trained = read_state_dict(golden("nano/v2_q2a4_trained.pt"));
  const TensorMap rounded = read_state_dict(dir / "fp16/v2.pt");
  std::size_t compared = 0;
  for (const auto& [name, tensor] : trained) {
    if (!is_floating(tensor.dtype) || name.ends_with("._Q")) continue;
    const at::Tensor expected = as_torch(tensor).to(at::kHalf).to(at::kFloat);
    BOOST_TEST(as_torch(*rounded.find(name)).to(at::kFloat).equal(expected), name);
    ++compared;
  }
  BOOST_TEST(compared >= 14u * 5);
  const at::Tensor once = model.weight(test::kDown);
  convert_model_to_fp16_v2(model);
  BOOST_TEST(model.weight(test::kDown).equal(once));
  test::check_error(
      [] {
        Model plain = test::nano();
        convert_model_to_fp16_v2(plain);
      },
      ExitCode::usage, "no V2 layers");
}

BOOST_AUTO_TEST_CASE(forwards_are_those_of_the_layers) {
  const at::NoGradGuard no_grad;
  const ModelFiles files = load_model_files(golden("nano"));
  Student student = test::open_student(files, golden("nano/v2_q2a4_trained.pt"));
  const auto expected = [&](ForwardMode mode) {
    student.set_numerics({mode});
    student.set_evaluation();
    return student.decoder().logits(student.decoder().hidden(some_ids(), {}));
  };
  Model model = test::trained_nano();
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::materialised)));
  BOOST_TEST(set_batched_forward_v2(model, true) == 14);  // has no effect yet
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::materialised)));
  BOOST_TEST(set_factored_inference_v2(model, true) == 14);
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::batched)));
  set_batched_forward_v2(model, false);
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::loop)));
  BOOST_TEST(!model.logits(some_ids()).equal(expected(ForwardMode::batched)));
  set_batched_forward_v2(model, std::nullopt);
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::automatic)));
  set_factored_inference_v2(model, false);
  BOOST_TEST(model.logits(some_ids()).equal(expected(ForwardMode::materialised)));
  Model plain = test::nano();
  test::check_error([&] { set_factored_inference_v2(plain, true); }, ExitCode::usage, "no V2 layers");
  test::check_error([&] { set_batched_forward_v2(plain, true); }, ExitCode::usage, "no V2 layers");
}

BOOST_AUTO_TEST_CASE(ste_rounds_to_half_and_passes_gradients) {
  const at::Tensor x = at::tensor({1.0F, 1.0F / 3, 1e5F, -1e9F, 1e-9F}, at::kFloat).set_requires_grad(true);
  const at::Tensor y = ste_fp16(x);
  BOOST_TEST(y.detach().equal(at::tensor({1.0F, 0.333251953125F, 65504.0F, -65504.0F, 0.0F}, at::kFloat)));
  y.sum().backward();
  BOOST_TEST(x.grad().equal(at::zeros({5}).add(1)));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  BOOST_TEST(std::isnan(ste_fp16(at::tensor({nan}, at::kFloat)).item<float>()));
  const at::Tensor half = at::tensor({0.1F}, at::kFloat).to(at::kHalf);
  BOOST_TEST(ste_fp16(half).is_same(half));
  BOOST_TEST((ste_fp16(x.detach().to(at::kBFloat16)).scalar_type() == at::kBFloat16));
  test::check_error([] { ste_fp16(at::zeros({2}, at::kLong)); }, ExitCode::usage, "no tensor of floats");
  test::check_error([] { ste_fp16({}); }, ExitCode::usage, "no tensor of floats");
}

BOOST_AUTO_TEST_SUITE_END()
