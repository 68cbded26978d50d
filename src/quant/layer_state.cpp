// The checkpoint keys of a V2 layer.
#include "src/quant/internal/layer_state.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/finite.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/freeze.hpp"
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
constexpr const char* kSameLayer = "the tensors of one layer must come from one checkpoint";

class Reader {
 public:
  Reader(const TensorMap& state, const std::string& name, const std::string& file)
      : state_(state), name_(name), file_(file) {}

  std::string key(std::string_view suffix) const { return name_ + std::string(suffix); }

  const HostTensor* find(std::string_view suffix) const { return state_.find(key(suffix)); }

  const HostTensor& require(std::string_view suffix) const {
    const HostTensor* tensor = find(suffix);
    if (tensor == nullptr)
      throw_data("missing key " + key(suffix), file_,
                 "give a V2 checkpoint, or start from the model's weights");
    return *tensor;
  }

  /// A float copy with the wanted number of dimensions.
  at::Tensor floats(const HostTensor& tensor, std::string_view suffix, std::size_t dims) const {
    if (!is_floating(tensor.dtype) || tensor.shape.size() != dims || tensor.numel() == 0)
      fail(suffix, tensor, "expected floats of " + std::to_string(dims) + " dimensions");
    require_finite(tensor, key(suffix), file_, kDiverged);
    return as_torch(tensor).to(at::kFloat, false, true).contiguous();
  }

  at::Tensor floats(std::string_view suffix, at::IntArrayRef shape) const {
    const HostTensor& tensor = require(suffix);
    check_shape(tensor, suffix, shape);
    return floats(tensor, suffix, shape.size());
  }

  void check_shape(const HostTensor& tensor, std::string_view suffix, at::IntArrayRef shape) const {
    if (!at::IntArrayRef(tensor.shape).equals(shape)) {
      std::string expected;
      for (const std::int64_t size : shape)
        expected.append(expected.empty() ? "" : ", ").append(std::to_string(size));
      fail(suffix, tensor, "expected shape [" + expected + "]; " + kSameLayer);
    }
  }

  /// Stored indices as bytes; `lut_size` bounds them.
  at::Tensor indices(const HostTensor& tensor, at::IntArrayRef shape, std::int64_t lut_size) const {
    constexpr std::string_view kKey = "._indices";
    check_shape(tensor, kKey, shape);
    if (is_floating(tensor.dtype) || tensor.dtype == DType::boolean) fail(kKey, tensor, "expected integers");
    const at::Tensor wide = as_torch(tensor).to(at::kLong);
    const std::int64_t lowest = wide.min().item<std::int64_t>();
    const std::int64_t highest = wide.max().item<std::int64_t>();
    if (lowest < 0 || highest >= lut_size)
      fail(kKey, tensor,
           "values " + std::to_string(lowest) + " to " + std::to_string(highest) + " do not fit a table of " +
               std::to_string(lut_size) + " entries; " + kSameLayer);
    return wide.to(at::kByte).contiguous();
  }

  [[noreturn]] void fail(std::string_view suffix, const HostTensor& tensor, const std::string& hint) const {
    throw_data(key(suffix) + " is " + tensor.describe(), file_, hint);
  }

 private:
  const TensorMap& state_;
  const std::string& name_;
  const std::string& file_;
};

/// The norms of float32 scales are float32: beyond 1e19 they become infinite, and the directions zero.
void check_norms(const Reader& reader, const at::Tensor& scales, std::string_view suffix,
                 const std::string& file) {
  if (scales.square().sum().isfinite().item<bool>()) return;
  throw_data(reader.key(suffix) + strf(" holds values up to %.3g, whose norm is not a number",
                                       scales.abs().max().item<double>()),
             file, kDiverged);
}

bool ascending(const at::Tensor& lut) {
  const std::int64_t n = lut.numel();
  return (lut.narrow(0, 1, n - 1) > lut.narrow(0, 0, n - 1)).all().item<bool>();
}

/// Indices of _Q, which must be made of table values.
at::Tensor indices_of_q(const Reader& reader, const at::Tensor& q, const at::Tensor& lut,
                        const std::string& file) {
  MatchedIndices matched = match_values(q, lut);
  if (!(matched.largest_error <= kLargestLutError))
    throw_data(
        reader.key("._Q") + " holds values up to " + std::to_string(matched.largest_error) +
            " away from every entry of its lut",
        file, "the file mixes layers of different tables; use a checkpoint whose _Q and lut belong together");
  return std::move(matched.indices);
}

void choose_indices(const Reader& reader, V2Draft& layer, at::IntArrayRef shape, const std::string& file) {
  V2Linear::Tensors& t = layer.tensors;
  const HostTensor* stored_q = reader.find("._Q");
  const HostTensor* stored_indices = reader.find("._indices");
  layer.had_q = stored_q != nullptr;
  if (stored_indices != nullptr) t.indices = reader.indices(*stored_indices, shape, layer.config.lut_size);
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

LazyTensor entry(std::string key, DType dtype, std::vector<std::int64_t> shape,
                 std::function<at::Tensor()> value) {
  LazyTensor lazy_tensor;
  lazy_tensor.name = std::move(key);
  lazy_tensor.dtype = dtype;
  lazy_tensor.shape = std::move(shape);
  lazy_tensor.make = [value = std::move(value)] {
    const at::NoGradGuard no_grad;
    return as_host(value().detach().cpu().contiguous());
  };
  return lazy_tensor;
}

LazyTensor floats_entry(std::string key, const at::Tensor& tensor) {
  return entry(std::move(key), DType::f32, tensor.sizes().vec(), [tensor] { return tensor.to(at::kFloat); });
}

}  // namespace

V2Draft load_layer(const TensorMap& state, const std::string& name, const V2Config& config, bool ste,
                   const std::string& file) {
  const at::NoGradGuard no_grad;
  const Reader reader(state, name, file);
  V2Draft layer;
  V2Linear::Tensors& t = layer.tensors;
  t.scale_A = reader.floats(reader.require(".scale_A"), ".scale_A", 2);
  t.scale_B = reader.floats(reader.require(".scale_B"), ".scale_B", 2);
  t.lut = reader.floats(reader.require(".lut"), ".lut", 1);
  layer.config = config;
  layer.config.rank = t.scale_A.size(1);
  layer.config.lut_size = t.lut.numel();
  const std::int64_t out = t.scale_A.size(0);
  const std::int64_t in = t.scale_B.size(1);
  const std::vector<std::int64_t> shape = {out, in};
  reader.check_shape(reader.require(".scale_B"), ".scale_B", {layer.config.rank, in});
  t.rank_magnitude = reader.floats(".rank_magnitude", {layer.config.rank});
  if (t.lut.numel() < 2 || t.lut.numel() > 256 || !ascending(t.lut))
    reader.fail(".lut", reader.require(".lut"), "a table is 2 to 256 strictly ascending values");
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
    entries.push_back(
        entry(name + ".weight", DType::f32, shape, [weight] { return as_torch(weight).to(at::kFloat); }));
  }
  if (t.bias.defined()) entries.push_back(floats_entry(name + ".bias", t.bias));
  entries.push_back(floats_entry(name + ".scale_A", t.scale_A));
  entries.push_back(floats_entry(name + ".scale_B", t.scale_B));
  entries.push_back(floats_entry(name + ".rank_magnitude", t.rank_magnitude));
  entries.push_back(floats_entry(name + ".lut", t.lut));
  entries.push_back(entry(name + "._Q", DType::f32, shape, [indices = t.indices, lut = t.lut] {
    return lut_values(indices, lut, at::kFloat);
  }));
  if (with_indices)
    entries.push_back(entry(name + "._indices", DType::i64, shape,
                            [indices = t.indices] { return indices.to(at::kLong); }));
  entries.push_back(entry(name + "._scales_baked_flag", DType::i8, {}, [baked = t.baked] {
    at::Tensor flag = at::empty({}, at::kChar);
    flag.fill_(baked ? 1 : 0);
    return flag;
  }));
  return entries;
}

}  // namespace anemll
