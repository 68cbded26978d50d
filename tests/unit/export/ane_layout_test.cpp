// The written file against the reference's, and what every consumer relies on in the universal layout.
#include "src/export/ane_layout.hpp"

#include "anemll/core/error.hpp"
#include "tests/unit/export/support.hpp"

#include <cstring>
#include <limits>
#include <set>

#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <boost/test/unit_test.hpp>

namespace anemll {
namespace {

using test::float_of;
using test::Nano;
using test::slot_of;

// Three half roundings (g, A_dir g, B_dir) of at most 2^-11 each, relative to the largest scale: ranks may
// cancel.
constexpr double kHalfRounding = 3.0 / 2048.0;

bool same_bytes(const HostTensor& a, const HostTensor& b) {
  const HostTensor x = a.packed(), y = b.packed();
  return x.dtype == y.dtype && x.shape == y.shape && std::memcmp(x.data, y.data, x.bytes()) == 0;
}

std::size_t distinct(const at::Tensor& values) {
  const at::Tensor flat = values.contiguous();
  const float* p = flat.const_data_ptr<float>();
  return std::set<float>(p, p + flat.numel()).size();
}

/// The scale matrix by its formula: unit columns times magnitudes times unit rows. Both epsilons are the
/// reference's.
at::Tensor scale_matrix(QuantLayer& layer) {
  constexpr double kEpsilon = 1e-6;
  const auto unit = [](const at::Tensor& t, std::int64_t dim) {
    return t.div(at::linalg_vector_norm(t, 2, dim, true).clamp_min(kEpsilon));
  };
  const at::Tensor g = slot_of(layer, ".rank_magnitude").add(kEpsilon);
  return unit(slot_of(layer, ".scale_A"), 0).mul(g).mm(unit(slot_of(layer, ".scale_B"), 1));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(AneLayoutTest)

BOOST_AUTO_TEST_CASE(reference_layout_equals_the_reference_bit_for_bit) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::reference, true}, counts, temp / "model_state_dict.pt");
  const TensorMap golden = read_state_dict(test::golden("nano/v2_snapped_recompute0.pt"));
  BOOST_REQUIRE_GT(golden.size(), 100U);
  for (const auto& [name, tensor] : golden) {
    const HostTensor* mine = written.find(name);
    BOOST_REQUIRE_MESSAGE(mine != nullptr, name << " is missing");
    BOOST_CHECK_MESSAGE(same_bytes(tensor, *mine),
                        name << ": " << mine->describe() << " against " << tensor.describe());
  }
  // The golden leaves these two out.
  BOOST_TEST(written.size() == golden.size() + 2);
  BOOST_TEST(counts.saturated == 0);
}

BOOST_AUTO_TEST_CASE(reference_layout_keeps_the_order_of_keys) {
  const Nano nano;
  CastCounts counts;
  const auto tensors = ane_state_dict(expected_tensors(nano.architecture), nano.layers(), nano.others,
                                      {AneLayout::reference, true}, counts);
  std::vector<std::string> mine, golden;
  for (const LazyTensor& t : tensors) {
    if (t.name != "model.embed_tokens.weight" && t.name != "lm_head.weight") mine.push_back(t.name);
  }
  for (const auto& [name, tensor] : read_state_dict(test::golden("nano/v2_snapped_recompute0.pt")))
    golden.push_back(name);
  BOOST_TEST(mine == golden, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(universal_layout_means_the_same_to_every_consumer) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::universal, true}, counts, temp / "model_state_dict.pt");
  for (const auto& layer : nano.linears) {
    const std::string& name = layer->name();
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(same_bytes(*written.find(name + ".weight"), *written.find(name + "._Q")));
      BOOST_CHECK(written.find(name + "._Q")->dtype == DType::f16);
      BOOST_CHECK(written.find(name + "._indices")->dtype == DType::i16);
      BOOST_CHECK(written.find(name + "._scales_baked_flag")->dtype == DType::i8);
      BOOST_TEST(float_of(written, name + "._scales_baked_flag").item<float>() == 1.0F);
      BOOST_TEST(float_of(written, name + ".rank_magnitude").eq(1).all().item<bool>());
      BOOST_TEST(distinct(float_of(written, name + "._Q")) <=
                 static_cast<std::size_t>(layer->quant().lut_size));

      const at::Tensor lut = float_of(written, name + ".lut");
      const at::Tensor indices = as_torch(*written.find(name + "._indices")).to(at::kLong);
      BOOST_TEST(lut.index_select(0, indices.flatten()).equal(float_of(written, name + "._Q").flatten()));
      BOOST_TEST(lut.slice(0, 1).gt(lut.slice(0, 0, -1)).all().item<bool>());

      const at::Tensor trained = scale_matrix(*layer);
      const at::Tensor stored =
          at::mm(float_of(written, name + ".scale_A"), float_of(written, name + ".scale_B"));
      const double error = stored.sub(trained).abs().max().item<double>();
      BOOST_TEST(error <= kHalfRounding * trained.abs().max().item<double>());
      BOOST_TEST(error > 0.0);  // or nothing was rounded and the bound says nothing
    }
  }
}

BOOST_AUTO_TEST_CASE(universal_layout_loses_nothing_of_a_model_trained_with_rounding) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::universal, true}, counts, temp / "model_state_dict.pt");
  for (const auto& linear : nano.linears) {
    linear->set_numerics({ForwardMode::materialised, true});
    const std::string& name = linear->name();
    const at::Tensor stored =
        float_of(written, name + "._Q")
            .mul(at::mm(float_of(written, name + ".scale_A"), float_of(written, name + ".scale_B")));
    BOOST_TEST(stored.equal(linear->effective_weight(at::kFloat)), name);
  }
}

BOOST_AUTO_TEST_CASE(snapping_a_snapped_file_changes_nothing) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap first = nano.snap({AneLayout::universal, true}, counts, temp / "first.pt");
  const Nano again(first);
  for (const auto& linear : again.linears) BOOST_TEST(slot_of(*linear, "._scales_baked_flag").defined());
  const TensorMap second = again.snap({AneLayout::universal, true}, counts, temp / "second.pt");
  BOOST_REQUIRE_EQUAL(first.size(), second.size());
  for (const auto& [name, tensor] : first) BOOST_TEST(same_bytes(tensor, *second.find(name)), name);
}

BOOST_AUTO_TEST_CASE(fp32_files_are_not_rounded) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::reference, false}, counts, temp / "fp32.pt");
  const std::string name = nano.linears.front()->name() + ".scale_A";
  BOOST_TEST(same_bytes(*written.find(name), *nano.checkpoint.find(name)));
  BOOST_TEST(counts.values == 0);
}

BOOST_AUTO_TEST_CASE(other_tensors_keep_their_precision_and_bf16_is_widened) {
  const Nano nano;
  const test::TempDir temp;
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::universal, true}, counts, temp / "model_state_dict.pt");
  BOOST_CHECK(nano.others.find("model.embed_tokens.weight")->dtype == DType::bf16);
  BOOST_CHECK(written.find("model.embed_tokens.weight")->dtype == DType::f32);
  BOOST_TEST(float_of(written, "model.embed_tokens.weight")
                 .equal(float_of(nano.others, "model.embed_tokens.weight")));
  BOOST_TEST(same_bytes(*written.find("model.norm.weight"), *nano.others.find("model.norm.weight")));
  // Tied: one storage in the file.
  BOOST_TEST(written.find("lm_head.weight")->data == written.find("model.embed_tokens.weight")->data);
}

BOOST_AUTO_TEST_CASE(large_scales_saturate_and_are_counted) {
  Nano nano;
  const test::TempDir temp;
  at::Tensor& a = slot_of(*nano.linears.front(), ".scale_A");
  a = a.clone();
  a.select(0, 0).fill_(1e5);
  a.select(0, 1).fill_(-1e5);
  CastCounts counts;
  const TensorMap written = nano.snap({AneLayout::reference, true}, counts, temp / "model_state_dict.pt");
  BOOST_TEST(counts.saturated == 2 * nano.linears.front()->quant().rank);
  const at::Tensor stored = float_of(written, nano.linears.front()->name() + ".scale_A");
  BOOST_TEST(stored.select(0, 0).eq(65504).all().item<bool>());
  BOOST_TEST(stored.select(0, 1).eq(-65504).all().item<bool>());
}

BOOST_AUTO_TEST_CASE(a_nan_is_refused_by_name_and_leaves_no_file) {
  for (const AneLayout layout : {AneLayout::universal, AneLayout::reference}) {
    Nano nano;
    const test::TempDir temp;
    at::Tensor& g = slot_of(*nano.linears[3], ".rank_magnitude");
    g = g.clone();
    g[1] = std::numeric_limits<double>::quiet_NaN();
    CastCounts counts;
    BOOST_CHECK_EXCEPTION(nano.snap({layout, true}, counts, temp / "model_state_dict.pt"), Error,
                          [&](const Error& e) {
                            return e.code() == ExitCode::numerics &&
                                   e.where().find(nano.linears[3]->name()) != std::string::npos;
                          });
    BOOST_TEST(std::filesystem::is_empty(temp.path()));
  }
}

BOOST_AUTO_TEST_CASE(a_missing_tensor_is_named) {
  Nano nano;
  nano.others.erase("model.norm.weight");
  CastCounts counts;
  BOOST_CHECK_EXCEPTION(
      ane_state_dict(expected_tensors(nano.architecture), nano.layers(), nano.others, {}, counts), Error,
      [](const Error& e) { return e.code() == ExitCode::data && e.where() == "model.norm.weight"; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll
