// Layers in the packed file: codes of every width, scales as halves and as 8-bit numbers, and back.
#include "src/quant/packed_layer.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/code_bits.hpp"
#include "src/quant/internal/layer_state.hpp"
#include "src/quant/scale_grid.hpp"
#include "tests/unit/quant/support.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/ops/rand.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

V2Linear::Tensors positive_layer(std::int64_t out, std::int64_t in, std::int64_t rank,
                                 std::int64_t lut_size) {
  V2Linear::Tensors t = random_layer(out, in, rank, lut_size);
  t.scale_A.abs_().add_(0.1);
  t.scale_B.abs_().add_(0.1);
  t.rank_magnitude.abs_().add_(0.1);
  return t;
}

V2Linear layer_of(const V2Linear::Tensors& t) {
  V2Config config;
  config.lut_size = t.lut.numel();
  config.rank = t.scale_A.size(1);
  return V2Linear("l", config, t);
}

TensorMap made(const std::vector<LazyTensor>& entries) {
  TensorMap map;
  for (const LazyTensor& entry : entries) map.set(entry.name, entry.make());
  return map;
}

/// The weight that a reader of the packed layer computes with.
at::Tensor read_back(const TensorMap& packed, const V2Linear& layer) {
  const V2Draft draft = load_layer(unpack_layers(packed, "packed"), "l", layer.config(), true, "packed");
  return layer_of(draft.tensors).effective_weight(at::kFloat);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(packed_layer)

BOOST_AUTO_TEST_CASE(codes_of_every_width_come_back) {
  for (std::int64_t bits = 1; bits <= 8; ++bits) {
    for (const std::int64_t columns : {1, 7, 8, 13}) {
      const at::Tensor codes = at::randint(0, std::int64_t{1} << bits, {3, columns}, at::kByte);
      const at::Tensor packed = pack_codes(codes, bits);
      BOOST_TEST(packed.size(1) == (columns * bits + 7) / 8);
      BOOST_TEST(unpack_codes(packed, bits, columns).equal(codes));
    }
  }
  // The lowest bits come first.
  BOOST_TEST(pack_codes(at::tensor({1, 2, 3, 0}, at::kByte).view({1, 4}), 2)[0][0].item<std::int64_t>() ==
             0x39);
}

BOOST_AUTO_TEST_CASE(a_packed_layer_is_the_fp16_export) {
  for (const std::int64_t lut_size : {2, 4, 8, 16}) {
    const V2Linear layer = layer_of(positive_layer(9, 21, 3, lut_size));
    CastCounts counts;
    const TensorMap packed = made(packed_entries(layer, counts));
    BOOST_TEST((packed.find("l.scale_A")->dtype == DType::f16));
    // The same halves through the keys of the export.
    TensorMap exported;
    for (LazyTensor& entry : layer.baked(true)->checkpoint_entries({}, true)) {
      const std::string name = entry.name;
      const bool floats = entry.dtype == DType::f32;
      exported.set(name, floats ? half_entry(std::move(entry), counts).make() : entry.make());
    }
    const V2Draft draft = load_layer(exported, "l", layer.config(), true, "exported");
    BOOST_TEST(read_back(packed, layer).equal(layer_of(draft.tensors).effective_weight(at::kFloat)));
  }
}

BOOST_AUTO_TEST_CASE(scales_on_a_grid_take_a_byte_each) {
  const V2Linear layer = layer_of(positive_layer(10, 24, 4, 4));
  std::int64_t raised = 0;
  const std::unique_ptr<QuantLayer> grid = layer.on_scale_grid(raised);
  BOOST_TEST(!has_grid_scales(layer));
  BOOST_TEST(has_grid_scales(*grid));
  CastCounts counts;
  const TensorMap packed = made(packed_entries(*grid, counts));
  BOOST_TEST((packed.find("l.scale_A.codes")->dtype == DType::i8));
  BOOST_TEST(!packed.contains("l.scale_A"));
  BOOST_TEST(read_back(packed, layer).equal(grid->effective_weight(at::kFloat)));
  // codes, table, scales, steps
  BOOST_TEST(packed_bits(*grid) == 10 * 24 * 2 + 4 * 16 + (10 + 24) * 4 * 8 + 2 * 4 * 16);
  BOOST_TEST(packed_bits(*layer.baked(true)) == 10 * 24 * 2 + 4 * 16 + (10 + 24) * 4 * 16);
  // Once more: nothing moves.
  BOOST_TEST(
      grid->on_scale_grid(raised)->effective_weight(at::kFloat).equal(grid->effective_weight(at::kFloat)));
}

// --scale-bits 8 in training: the forward has the weight that the snap will have, and gradients are those of
// the factors as if nothing was rounded.
BOOST_AUTO_TEST_CASE(training_computes_with_scales_on_a_grid) {
  const V2Linear::Tensors tensors = positive_layer(12, 16, 3, 4);
  const at::Tensor x = at::randn({5, 16});
  const auto trained = [&](bool grid) {
    V2Linear layer = layer_of(leaves(tensors));
    layer.set_numerics({ForwardMode::materialised, true, grid});
    layer.begin_step();
    layer.forward(x).square().sum().backward();
    return layer;
  };
  const V2Linear on = trained(true), off = trained(false);
  std::int64_t raised = 0;
  const at::Tensor snapped = layer_of(tensors).on_scale_grid(raised)->effective_weight(at::kFloat);
  BOOST_REQUIRE(raised == 0);
  BOOST_TEST(on.effective_weight(at::kFloat).equal(snapped));
  BOOST_TEST(!off.effective_weight(at::kFloat).equal(snapped));
  // A weight moves by half a step of 1/127 of the largest at most, twice; and so do gradients.
  constexpr double kGrid = 0.02;
  BOOST_TEST(relative_norm(on.tensors().scale_A.grad(), off.tensors().scale_A.grad()) < kGrid);
  BOOST_TEST(relative_norm(on.tensors().scale_B.grad(), off.tensors().scale_B.grad()) < kGrid);
  BOOST_TEST(on.tensors().rank_magnitude.grad().abs().min().item<double>() > 0);
}

BOOST_AUTO_TEST_CASE(damaged_files_are_told_by_the_tensor) {
  const V2Linear layer = layer_of(positive_layer(10, 24, 4, 4));
  CastCounts counts;
  const TensorMap whole = made(packed_entries(layer, counts));
  const auto refused = [&](const std::string& name, const HostTensor* other) {
    TensorMap packed = whole;
    if (other == nullptr)
      packed.erase(name);
    else
      packed.set(name, *other);
    BOOST_CHECK_THROW(unpack_layers(packed, "packed"), Error);
  };
  for (const char* name : {"l.lut", "l.scale_A", "l.scale_B"}) refused(name, nullptr);
  const HostTensor narrow = HostTensor::zeros(DType::u8, {10, 5}),
                   floats = HostTensor::zeros(DType::f32, {10, 4});
  refused("l.codes", &narrow);
  refused("l.scale_A", &floats);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
