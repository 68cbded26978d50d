// Layers out of the reference's checkpoints and back: which of _indices, _Q and weight counts, what is
// refused, and the frozen indices of a whole model reproduced from its weights and scales.
#include "src/quant/internal/layer_state.hpp"

#include "anemll/core/error.hpp"
#include "anemll/formats/torch_file.hpp"
#include "anemll/quant/presets.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/layer_init.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/quant/support.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

#include <ATen/ops/full.h>
#include <boost/test/unit_test.hpp>

namespace anemll::test {
namespace {

const TensorMap& nano() {
  static const TensorMap state = read_state_dict(golden("nano/v2_q2a4_init.pt"));
  return state;
}

constexpr const char* kLayer = "model.layers.0.self_attn.k_proj";  // 64 x 64, rank 8, 16 entries

/// The nano file's first k_proj alone.
TensorMap one_layer() {
  TensorMap state;
  for (const auto& [key, tensor] : nano())
    if (key.starts_with(kLayer)) state.set(key, tensor);
  return state;
}

at::Tensor stored(const TensorMap& state, const std::string& suffix) {
  return as_torch(*state.find(kLayer + suffix)).clone();
}

void put(TensorMap& state, const std::string& suffix, const at::Tensor& tensor) {
  state.set(kLayer + suffix, as_host(tensor));
}

V2Draft load(const TensorMap& state) {
  return load_layer(state, kLayer, V2Config(), false, "test.pt");
}

std::string failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    BOOST_TEST((error.code() == ExitCode::data));
    BOOST_TEST(!error.hint().empty());
    return std::string(error.what()) + " " + error.where();
  }
  return {};
}

/// Names of the layers with a scale_A, in file order.
std::vector<std::string> quantised_layers(const TensorMap& state) {
  constexpr std::string_view kSuffix = ".scale_A";
  std::vector<std::string> names;
  for (const auto& [key, tensor] : state)
    if (key.ends_with(kSuffix)) names.push_back(key.substr(0, key.size() - kSuffix.size()));
  return names;
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quant)

BOOST_AUTO_TEST_CASE(nano_indices_follow_from_weights_and_scales) {
  const std::vector<std::string> names = quantised_layers(nano());
  BOOST_TEST(names.size() == 14U);
  for (const bool ste : {false, true})
    for (const std::string& name : names) {
      TensorMap state;
      for (const auto& [key, tensor] : nano())
        if (key.starts_with(name) && !key.ends_with("._Q") && !key.ends_with("._indices"))
          state.set(key, tensor);
      const V2Draft frozen = load_layer(state, name, V2Config(), ste, "test.pt");
      const V2Draft kept = load_layer(nano(), name, V2Config(), ste, "test.pt");
      BOOST_TEST(!frozen.had_q);
      BOOST_TEST(kept.had_q);
      BOOST_TEST(kept.warnings.empty());
      BOOST_TEST(frozen.tensors.indices.equal(kept.tensors.indices));
      BOOST_TEST(frozen.warnings.empty());
      BOOST_TEST(kept.tensors.lut.equal(lut_tensor(kept.config.lut_size)));
      BOOST_TEST(kept.config.rank == (mentions(name, ".mlp.") ? 32 : 8));
    }
}

BOOST_AUTO_TEST_CASE(scales_that_vanish_are_told) {
  TensorMap state;
  for (const auto& [key, tensor] : one_layer())
    if (!key.ends_with("._Q") && !key.ends_with("._indices")) state.set(key, tensor);
  BOOST_TEST(load(state).warnings.empty());
  put(state, ".rank_magnitude", at::full({8}, -1e-6));  // with epsilon 0
  const std::vector<std::string> warnings = load(state).warnings;
  BOOST_REQUIRE(warnings.size() == 1U);
  BOOST_TEST(mentions(warnings[0], std::string(kLayer) + ": 4096 of 4096 weights have a scale below 1e-8"),
             warnings[0]);
}

BOOST_AUTO_TEST_CASE(nano_scales_follow_from_weights) {
  // Singular vectors are defined up to sign, magnitudes and products are not.
  constexpr double kMagnitude = 1e-3;  // one unit of half
  for (const std::string& name : quantised_layers(nano())) {
    const V2Draft expected = load_layer(nano(), name, V2Config(), false, "test.pt");
    V2Config config = expected.config;
    config.group_size = 2;
    const V2Draft made = initial_layer(as_torch(*nano().find(name + ".weight")), {}, config, {});
    BOOST_TEST(relative_error(made.tensors.rank_magnitude, expected.tensors.rank_magnitude) < kMagnitude);
    const auto matrix = [](const V2Draft& layer) {
      const V2Linear::Tensors& t = layer.tensors;
      return normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, false, layer.config, false).matrix();
    };
    BOOST_TEST(relative_norm(matrix(made), matrix(expected)) < kMagnitude);
    const double differing =
        made.tensors.indices.ne(expected.tensors.indices).to(at::kFloat).mean().item<double>();
    BOOST_TEST(differing < 1e-3);
  }
}

BOOST_AUTO_TEST_CASE(layer_goes_to_a_file_and_back) {
  const TempDir folder;
  const V2Draft loaded = load(nano());
  const V2Linear layer(kLayer, loaded.config, loaded.tensors);
  const HostTensor weight = as_host(stored(nano(), ".weight").to(at::kBFloat16));
  write_torch_file(folder / "one.pt", layer_entries(layer, weight, true));
  const TensorMap state = read_state_dict(folder / "one.pt");
  const std::vector<std::string> order = {".weight", ".scale_A", ".scale_B",  ".rank_magnitude",
                                          ".lut",    "._Q",      "._indices", "._scales_baked_flag"};
  BOOST_TEST(state.size() == order.size());
  std::size_t position = 0;
  for (const auto& [key, tensor] : state) {
    BOOST_TEST(key == kLayer + order[position]);
    const HostTensor& original = *nano().find(key);
    BOOST_TEST((tensor.dtype == original.dtype));
    BOOST_TEST(as_torch(tensor).equal(as_torch(original)));  // nano's weights are bfloat16 values
    ++position;
  }
  const V2Draft again = load(state);
  BOOST_TEST(again.tensors.indices.equal(loaded.tensors.indices));
  BOOST_TEST(layer_entries(layer, HostTensor(), false).size() == 6U);
  BOOST_TEST(layer_entries(layer, HostTensor(), false)[4].name == std::string(kLayer) + "._Q");
}

BOOST_AUTO_TEST_CASE(bias_and_baked_flag_are_kept) {
  TensorMap state = one_layer();
  put(state, ".bias", at::randn({64}));
  put(state, "._scales_baked_flag", at::tensor({1}, at::kChar).squeeze());
  const V2Draft loaded = load(state);
  BOOST_TEST(loaded.tensors.baked);
  BOOST_TEST(loaded.tensors.bias.defined());
  const V2Linear layer(kLayer, loaded.config, loaded.tensors);
  const std::vector<LazyTensor> entries = layer_entries(layer, HostTensor(), true);
  BOOST_TEST(entries.front().name == std::string(kLayer) + ".bias");
  BOOST_TEST(as_torch(entries.back().make()).item<int>() == 1);
  state.erase(std::string(kLayer) + "._scales_baked_flag");  // old files have no flag
  BOOST_TEST(!load(state).tensors.baked);
}

BOOST_AUTO_TEST_CASE(index_types_and_half_scales_are_accepted) {
  const at::Tensor expected = load(nano()).tensors.indices;
  for (const at::ScalarType type : {at::kShort, at::kByte, at::kInt}) {
    TensorMap state = one_layer();
    put(state, "._indices", expected.to(type));
    BOOST_TEST(load(state).tensors.indices.equal(expected));
    state.erase(std::string(kLayer) + "._Q");
    state.erase(std::string(kLayer) + ".weight");  // nothing to freeze from
    BOOST_TEST(load(state).tensors.indices.equal(expected));
  }
  TensorMap halves = one_layer();
  for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._Q"})
    put(halves, suffix, stored(halves, suffix).to(at::kHalf));
  const V2Draft loaded = load(halves);
  BOOST_TEST(loaded.tensors.indices.equal(expected));
  BOOST_TEST((loaded.tensors.scale_A.scalar_type() == at::kFloat));
}

BOOST_AUTO_TEST_CASE(a_table_is_read_out_of_q_where_it_is_not_stored) {
  TensorMap state = one_layer();
  const V2Draft expected = load(state);
  state.erase(std::string(kLayer) + ".lut");
  const V2Draft loaded = load(state);
  BOOST_TEST(loaded.tensors.lut.equal(expected.tensors.lut));
  BOOST_TEST(loaded.tensors.indices.equal(expected.tensors.indices));
}

BOOST_AUTO_TEST_CASE(stored_q_wins_over_indices_that_contradict_it) {
  TensorMap state = one_layer();
  const at::Tensor expected = load(state).tensors.indices;
  at::Tensor wrong = expected.to(at::kLong);
  wrong[0][0] = (wrong[0][0] + 1) % 16;
  put(state, "._indices", wrong);
  const V2Draft loaded = load(state);
  BOOST_TEST(loaded.tensors.indices.equal(expected));
  BOOST_TEST(loaded.warnings.size() == 1U);
  state.erase(std::string(kLayer) + "._indices");  // what a resumed reference run writes
  BOOST_TEST(load(state).tensors.indices.equal(expected));
  BOOST_TEST(load(state).warnings.empty());
}

BOOST_AUTO_TEST_CASE(broken_layers_are_refused_with_file_and_key) {
  const auto broken = [](const std::string& suffix, const at::Tensor& value) {
    TensorMap state = one_layer();
    put(state, suffix, value);
    return failure([&] { load(state); });
  };
  for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude"}) {
    TensorMap state = one_layer();
    state.erase(kLayer + std::string(suffix));
    const std::string text = failure([&] { load(state); });
    BOOST_TEST(mentions(text, suffix));
    BOOST_TEST(mentions(text, "test.pt"));
  }
  TensorMap no_table = one_layer();  // ._Q holds the table's values too
  for (const char* suffix : {"._Q", ".lut"}) no_table.erase(kLayer + std::string(suffix));
  BOOST_TEST(mentions(failure([&] { load(no_table); }), ".lut"));
  TensorMap no_weight = one_layer();
  for (const char* suffix : {"._Q", "._indices", ".weight"}) no_weight.erase(kLayer + std::string(suffix));
  BOOST_TEST(mentions(failure([&] { load(no_weight); }), ".weight"));
  BOOST_TEST(mentions(broken(".rank_magnitude", at::randn({4})), ".rank_magnitude"));
  BOOST_TEST(mentions(broken(".scale_B", at::randn({5, 64})), ".scale_B"));
  BOOST_TEST(mentions(broken("._Q", at::randn({64, 32})), "._Q"));
  BOOST_TEST(mentions(broken("._indices", at::full({64, 64}, 16, at::kLong)), "._indices"));
  BOOST_TEST(mentions(broken("._indices", at::full({64, 64}, -1, at::kLong)), "._indices"));
  BOOST_TEST(mentions(broken(".lut", lut_tensor(16).flip(0)), ".lut"));
  TensorMap off_table = one_layer();
  off_table.erase(std::string(kLayer) + "._indices");
  put(off_table, "._Q", stored(off_table, "._Q") * .99);
  BOOST_TEST(mentions(failure([&] { load(off_table); }), "._Q"));
}

BOOST_AUTO_TEST_CASE(values_that_are_not_numbers_are_refused_by_name) {
  TensorMap with_bias = one_layer();
  put(with_bias, ".bias", at::zeros({64}));
  const double infinity = std::numeric_limits<double>::infinity();
  for (const char* suffix : {".scale_A", ".scale_B", ".rank_magnitude", ".lut", "._Q", ".bias"})
    for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble})
      for (const double bad : {std::nan(""), infinity, -infinity, type == at::kDouble ? 1e300 : infinity}) {
        TensorMap state = with_bias;
        at::Tensor values = stored(state, suffix).to(type).contiguous();
        values.flatten()[values.numel() - 1] = bad;
        put(state, suffix, values);
        const std::string text = failure([&] { load(state); });
        BOOST_TEST(mentions(text, kLayer + std::string(suffix) + " holds"), suffix << ": " << text);
        BOOST_TEST(mentions(text, "test.pt"));
      }
  TensorMap frozen = one_layer();
  for (const char* suffix : {"._Q", "._indices"}) frozen.erase(kLayer + std::string(suffix));
  at::Tensor weight = stored(frozen, ".weight");
  weight[3][5] = std::nan("");
  put(frozen, ".weight", weight);
  BOOST_TEST(mentions(failure([&] { load(frozen); }), "k_proj.weight holds"));
}

BOOST_AUTO_TEST_CASE(scales_whose_norms_overflow_are_refused_unless_nobody_takes_norms) {
  for (const char* suffix : {".scale_A", ".scale_B"}) {
    TensorMap state = one_layer();
    at::Tensor values = stored(state, suffix);
    values[1][1] = -3e38;
    put(state, suffix, values);
    const std::string text = failure([&] { load(state); });
    BOOST_TEST(mentions(text, kLayer + std::string(suffix)));
    BOOST_TEST(mentions(text, "3e+38"));
    put(state, "._scales_baked_flag", at::ones({}, at::kChar));
    BOOST_CHECK_NO_THROW(load(state));
  }
}

BOOST_AUTO_TEST_CASE(q4_file_is_recognised_by_its_shapes) {
  const std::string file = golden("quant/q4a4_two_layers.pt").string();
  const TensorMap state = read_state_dict(file);
  const QuantConfigKeys keys = read_quant_config(golden("quant/q4a4_config.json"));
  BOOST_TEST(*keys.group_size == 2);
  std::vector<LinearSpec> linears;
  for (const std::string& name : quantised_layers(state))
    linears.push_back({name, 0, 0, name.find(".mlp.") != std::string::npos, false});
  QuantRequest request;
  request.linears = linears;
  request.checkpoint = &state;
  request.checkpoint_file = file;
  request.preset = "q2a4";  // the user is mistaken
  const ResolvedQuant resolved = resolve_quant(request);
  BOOST_TEST((resolved.spec.usual() == QuantScheme{16, 4, 16, 4}));
  BOOST_TEST(resolved.warnings.size() == 1U);
  for (const std::string& name : quantised_layers(state)) {
    const V2Draft loaded = load_layer(state, name, V2Config(), true, file);
    BOOST_TEST(loaded.config.rank == 4);
    BOOST_TEST(loaded.had_q);
    BOOST_TEST(loaded.warnings.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace anemll::test
