#include "src/quant/internal/v1_file.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/freeze.hpp"
#include "src/quant/internal/layer_keys.hpp"
#include "src/quant/internal/v1_type.hpp"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

// The table is stored in the weight's type, so that a snapped weight holds its very values.
constexpr double kLargestLutError = 1e-3;
// A weight that is kept in half or bfloat16 beside the layer it was made from.
constexpr double kSameWeight = 1e-2;

/// Tells when a stored effective weight is not what the layer's tensors amount to.
void compare_cached(const LayerReader& reader, const V1Linear& layer, LayerDraft& draft,
                    const std::string& file) {
  constexpr std::string_view kKey = "._cached_weight_q";
  if (reader.find(kKey) == nullptr) return;
  const at::Tensor cached = reader.floats(kKey, {layer.out(), layer.in()});
  const at::Tensor own = layer.effective_weight(at::kFloat);
  const double distance = (cached - own).abs().max().item<double>();
  if (distance <= kSameWeight * own.abs().max().item<double>()) return;
  draft.warnings.push_back(reader.key(kKey) +
                           strf(" differs by up to %.3g from the layer's own weight in ", distance) + file +
                           "; it is not used");
}

}  // namespace

void require_table_values(double largest_error, const std::string& key, const std::string& file) {
  if (largest_error <= kLargestLutError) return;
  throw_data(key + strf(" holds values up to %.3g away from every entry of its lut", largest_error), file,
             "config.json says snapped_mode lut: such a weight is made of table values; correct one of them");
}

LayerDraft read_v1(const TensorMap& state, const LinearSpec& linear, const LinearQuant& quant, bool /*ste*/,
                   const std::string& file) {
  const at::NoGradGuard no_grad;
  const LayerReader reader(state, linear.name, file, "V1");
  for (const char* adapter : {".lora_A", ".lora_B"}) {
    if (const HostTensor* tensor = reader.find(adapter))
      reader.fail(adapter, *tensor, "adapters are not read: merge them into the weight first");
  }
  const std::int64_t padded = v1_padded_in(linear.in, quant);
  V1Linear::Tensors t;
  t.weight = reader.floats(".weight", {linear.out, linear.in});
  const HostTensor* full = reader.find(".full_scales");
  if (full == nullptr && reader.find(".scale_A") == nullptr && reader.find(".scale_B") == nullptr) {
    LayerDraft started = start_v1(t.weight, quant, {});
    if (reader.find(".bias") != nullptr) started.tensors[".bias"] = reader.floats(".bias", {linear.out});
    return started;
  }
  t.lut = reader.table();
  if (full != nullptr && reader.find(".scale_A") != nullptr)
    reader.fail(".full_scales", *full, "a layer has full_scales or scale_A and scale_B, not both");
  const HostTensor& wide = full != nullptr ? *full : reader.require(".scale_B");
  if (wide.shape.size() == 2 && wide.shape[1] < linear.in)
    reader.fail(full != nullptr ? ".full_scales" : ".scale_B", wide,
                std::string("its weight has more columns; ") += LayerReader::kSameLayer);
  if (full != nullptr) {
    t.full_scales = reader.floats(".full_scales", {linear.out, padded});
  } else {
    t.scale_A = reader.floats(reader.require(".scale_A"), ".scale_A", 2);
    reader.check_shape(reader.require(".scale_A"), ".scale_A", {linear.out, t.scale_A.size(1)});
    t.scale_B = reader.floats(".scale_B", {t.scale_A.size(1), padded});
    LinearQuant found = quant;
    found.rank = t.scale_A.size(1);
    if (v1_is_full(linear.out, linear.in, found))  // the tables of such a layer have no factors
      reader.fail(
          ".scale_A", reader.require(".scale_A"),
          "a rank that reaches the smaller side of the scales means full_scales: store their product");
  }
  if (reader.find(".bias") != nullptr) t.bias = reader.floats(".bias", {linear.out});
  if (quant.snapped == V1Snap::lut)
    require_table_values(match_values(t.weight, t.lut).largest_error, reader.key(".weight"), file);

  LayerDraft draft;
  compare_cached(reader, V1Linear(linear.name, quant, t), draft, file);
  draft.tensors = {{".weight", t.weight}, {".lut", t.lut}};
  const auto add = [&draft](const char* suffix, const at::Tensor& tensor) {
    if (tensor.defined()) draft.tensors[suffix] = tensor;
  };
  add(".bias", t.bias);
  add(".scale_A", t.scale_A);
  add(".scale_B", t.scale_B);
  add(".full_scales", t.full_scales);
  return draft;
}

std::vector<LazyTensor> v1_entries(const V1Linear& layer) {
  const V1Linear::Tensors& t = layer.tensors();
  std::vector<LazyTensor> entries;
  const auto add = [&](const char* suffix, const at::Tensor& tensor) {
    if (tensor.defined()) entries.push_back(floats_entry(layer.name() + suffix, tensor));
  };
  add(".weight", t.weight);
  add(".bias", t.bias);
  add(".scale_A", t.scale_A);
  add(".scale_B", t.scale_B);
  add(".full_scales", t.full_scales);
  add(".lut", t.lut);
  return entries;
}

}  // namespace anemll
