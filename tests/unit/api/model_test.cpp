// anemll::Model: opened, looked at, saved.
#include "anemll/formats/safetensors.hpp"
#include "anemll/formats/torch_file.hpp"
#include "src/model/torch_bridge.hpp"
#include "tests/unit/api/support.hpp"

#include <utility>

#include <ATen/ops/zeros.h>

using namespace anemll;
using test::golden;

namespace {

// The golden logits were made in fp32 by other products: sums of 96 terms in another order.
constexpr double kLogitTolerance = 1e-5;

}  // namespace

BOOST_AUTO_TEST_SUITE(api_model)

BOOST_AUTO_TEST_CASE(the_logits_of_a_model_are_the_references) {
  const Model model = test::nano();
  const SafetensorsFile file = read_safetensors(golden("nano/logits.safetensors"));
  const at::Tensor ids = as_torch(*file.tensors.find("input_ids")).to(at::kLong);
  const at::Tensor logits = model.logits(ids);
  BOOST_TEST(!model.quantised());
  BOOST_REQUIRE(logits.sizes() == at::IntArrayRef({2, 24, 4096}));
  BOOST_TEST(test::distance(logits, as_torch(*file.tensors.find("logits")).to(at::kFloat)) < kLogitTolerance);
}

BOOST_AUTO_TEST_CASE(its_linears_have_names_and_weights) {
  const Model model = test::nano();
  BOOST_REQUIRE(model.linears().size() == 14u);
  BOOST_TEST(model.linears().front() == "model.layers.0.self_attn.q_proj");
  BOOST_TEST(model.linears().back() == test::kDown);
  BOOST_TEST((model.weight(test::kDown).sizes() == at::IntArrayRef({64, 96})));
  test::check_error([&] { model.weight("lm_head"); }, ExitCode::usage, "no linear has the name lm_head");
}

BOOST_AUTO_TEST_CASE(ids_are_checked) {
  const Model model = test::nano();
  const auto refused = [&](const at::Tensor& ids, const std::string& part) {
    test::check_error([&] { model.logits(ids); }, ExitCode::usage, part);
  };
  refused(at::zeros({2, 3}), "no matrix [B, L] of int64");
  refused(at::zeros({3}, at::kLong), "no matrix [B, L] of int64");
  refused(at::zeros({1, 2}, at::kLong).add(4096), "4096 to 4096, the vocabulary has 4096 ids");
  refused(at::zeros({1, 2}, at::kLong).sub(1), "-1 to -1");
}

BOOST_AUTO_TEST_CASE(what_was_saved_is_loaded_again) {
  const test::TempDir dir;
  const Model trained = test::trained_nano();
  const std::filesystem::path file = dir / "saved/v2.pt";
  trained.save(file);
  BOOST_TEST(std::filesystem::exists(dir / "saved/config.json"));
  Model again = test::nano();
  BOOST_TEST(load_v2_checkpoint(again, file).with_q == 14);
  for (const std::string& linear : trained.linears())
    BOOST_TEST(again.weight(linear).equal(trained.weight(linear)), linear);
  test::check_error([&] { trained.save(file); }, ExitCode::usage, "is there already");
  test::check_error([&] { trained.save(dir / "saved/other.pt"); }, ExitCode::usage, "config.json");
  test::check_error([&] { test::nano().save(dir / "plain.pt"); }, ExitCode::usage, "no V2 layers");
}

BOOST_AUTO_TEST_CASE(models_move_and_are_not_found) {
  Model model = test::nano();
  const Model other = std::move(model);
  BOOST_TEST(other.linears().size() == 14u);
  test::check_error([&] { model.linears(); }, ExitCode::usage, "moved from");
  test::check_error([] { Model::open("/nowhere/at/all"); }, ExitCode::data, "/nowhere/at/all");
}

BOOST_AUTO_TEST_SUITE_END()
