// The checkpoint keys of a V2 layer.
#include "src/quant/internal/layer_state.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/layer_keys.hpp"
#include "src/quant/internal/lut_weight.hpp"
#include "src/quant/internal/scale_factors.hpp"
#include "src/quant/layer_type.hpp"

#include <string_view>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

namespace anemll {
namespace {

constexpr double kLargestLutError = 1e-3;  // half of a step between neighbouring halves below 2 is 5e-4

/// Stored indices as bytes; `lut_size` bounds them.
at::Tensor stored_indices(const LayerReader& reader, const HostTensor& tensor, at::IntArrayRef shape,
                          std::int64_t lut_size) {
  constexpr std::string_view kKey = "._indices";
  reader.check_shape(tensor, kKey, shape);
  if (is_floating(tensor.dtype) || tensor.dtype == DType::boolean)
    reader.fail(kKey, tensor, "expected integers");
  const at::Tensor wide = as_torch(tensor).to(at::kLong);
  const std::int64_t lowest = wide.min().item<std::int64_t>();
  const std::int64_t highest = wide.max().item<std::int64_t>();
  if (lowest < 0 || highest >= lut_size)
    reader.fail(kKey, tensor,
                "values " + std::to_string(lowest) + " to " + std::to_string(highest) +
                    " do not fit a table of " + std::to_string(lut_size) + " entries; " +
                    LayerReader::kSameLayer);
  return wide.to(at::kByte).contiguous();
}

/// The norms of float32 scales are float32: beyond 1e19 they become infinite, and the directions zero.
void check_norms(const LayerReader& reader, const at::Tensor& scales, std::string_view suffix,
                 const std::string& file) {
  if (scales.square().sum().isfinite().item<bool>()) return;
  throw_data(reader.key(suffix) + strf(" holds values up to %.3g, whose norm is not a number",
                                       scales.abs().max().item<double>()),
             file, kDiverged);
}

/// Indices of _Q, which must be made of table values.
at::Tensor indices_of_q(const LayerReader& reader, const at::Tensor& q, const at::Tensor& lut,
                        const std::string& file) {
  MatchedIndices matched = match_values(q, lut);
  if (!(matched.largest_error <= kLargestLutError))
    throw_data(
        reader.key("._Q") + " holds values up to " + std::to_string(matched.largest_error) +
            " away from every entry of its lut",
        file, "the file mixes layers of different tables; use a checkpoint whose _Q and lut belong together");
  return std::move(matched.indices);
}

void choose_indices(const LayerReader& reader, V2Draft& layer, at::IntArrayRef shape,
                    const std::string& file) {
  V2Linear::Tensors& t = layer.tensors;
  const HostTensor* stored_q = reader.find("._Q");
  const HostTensor* stored = reader.find("._indices");
  layer.had_q = stored_q != nullptr;
  if (stored != nullptr) t.indices = stored_indices(reader, *stored, shape, layer.config.lut_size);
  if (stored_q == nullptr) return;
  const at::Tensor q = reader.floats("._Q", shape);
  if (t.indices.defined()) {
    const double distance = (lut_values(t.indices, t.lut, at::kFloat) - q).abs().max().item<double>();
    if (distance <= kLargestLutError) return;
    layer.warnings.push_back(reader.key("._indices") + " and ._Q differ by up to " +
                             std::to_string(distance) + " in " + file + "; _Q is used");
  }
  t.indices = indices_of_q(reader, q, t.lut, file);
}

}  // namespace

V2Draft load_layer(const TensorMap& state, const std::string& name, const V2Config& config, bool ste,
                   const std::string& file) {
  const at::NoGradGuard no_grad;
  const LayerReader reader(state, name, file, "V2");
  V2Draft layer;
  V2Linear::Tensors& t = layer.tensors;
  t.scale_A = reader.floats(reader.require(".scale_A"), ".scale_A", 2);
  t.scale_B = reader.floats(reader.require(".scale_B"), ".scale_B", 2);
  t.lut = reader.table();
  layer.config = config;
  layer.config.rank = t.scale_A.size(1);
  layer.config.lut_size = t.lut.numel();
  const std::int64_t out = t.scale_A.size(0);
  const std::int64_t in = t.scale_B.size(1);
  const std::vector<std::int64_t> shape = {out, in};
  reader.check_shape(reader.require(".scale_B"), ".scale_B", {layer.config.rank, in});
  t.rank_magnitude = reader.floats(".rank_magnitude", {layer.config.rank});
  if (reader.find(".bias") != nullptr) t.bias = reader.floats(".bias", {out});
  if (const HostTensor* flag = reader.find("._scales_baked_flag")) {
    if (flag->numel() != 1) reader.fail("._scales_baked_flag", *flag, "expected one value, 0 or 1");
    t.baked = as_torch(*flag).to(at::kDouble).item<double>() != 0;
  }
  if (!t.baked) {
    check_norms(reader, t.scale_A, ".scale_A", file);
    check_norms(reader, t.scale_B, ".scale_B", file);
  }
  choose_indices(reader, layer, shape, file);
  if (t.indices.defined()) return layer;
  const at::Tensor weight = reader.floats(".weight", shape);
  const ScaleFactors factors =
      normalise_scales(t.scale_A, t.scale_B, t.rank_magnitude, t.baked, layer.config, ste);
  const FrozenIndices frozen = freeze_indices(weight, factors.matrix(), t.lut);
  t.indices = frozen.indices;
  for (const std::string& warning : freeze_warnings(frozen))
    layer.warnings.push_back(name + ": " + warning + " (" + file + ")");
  return layer;
}

std::vector<LazyTensor> layer_entries(const V2Linear& layer, const HostTensor& weight, bool with_indices) {
  const V2Linear::Tensors& t = layer.tensors();
  const std::string& name = layer.name();
  const std::vector<std::int64_t> shape = {layer.out(), layer.in()};
  std::vector<LazyTensor> entries;
  if (weight.data != nullptr) {
    if (weight.shape != shape)
      throw_data("the source weight is " + weight.describe(), name + ".weight",
                 "it must be the layer's own weight");
    entries.push_back(lazy_entry(name + ".weight", DType::f32, shape,
                                 [weight] { return as_torch(weight).to(at::kFloat); }));
  }
  if (t.bias.defined()) entries.push_back(floats_entry(name + ".bias", t.bias));
  entries.push_back(floats_entry(name + ".scale_A", t.scale_A));
  entries.push_back(floats_entry(name + ".scale_B", t.scale_B));
  entries.push_back(floats_entry(name + ".rank_magnitude", t.rank_magnitude));
  entries.push_back(floats_entry(name + ".lut", t.lut));
  entries.push_back(lazy_entry(name + "._Q", DType::f32, shape, [indices = t.indices, lut = t.lut] {
    return lut_values(indices, lut, at::kFloat);
  }));
  if (with_indices)
    entries.push_back(lazy_entry(name + "._indices", DType::i64, shape,
                                 [indices = t.indices] { return indices.to(at::kLong); }));
  entries.push_back(lazy_entry(name + "._scales_baked_flag", DType::i8, {}, [baked = t.baked] {
    at::Tensor flag = at::empty({}, at::kChar);
    flag.fill_(baked ? 1 : 0);
    return flag;
  }));
  return entries;
}

}  // namespace anemll
