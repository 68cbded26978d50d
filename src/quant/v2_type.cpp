#include "src/quant/internal/v2_type.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/internal/layer_init.hpp"
#include "src/quant/internal/layer_keys.hpp"
#include "src/quant/internal/layer_state.hpp"

#include <optional>
#include <string>
#include <utility>

#include <ATen/ops/tensor.h>

namespace anemll {
namespace {

LayerTensors by_suffix(const V2Linear::Tensors& t) {
  LayerTensors tensors{{".scale_A", t.scale_A},
                       {".scale_B", t.scale_B},
                       {".rank_magnitude", t.rank_magnitude},
                       {".lut", t.lut},
                       {"._indices", t.indices}};
  if (t.bias.defined()) tensors[".bias"] = t.bias;
  if (t.baked) tensors["._scales_baked_flag"] = at::tensor({1}, at::kChar);
  return tensors;
}

at::Tensor take(LayerTensors& tensors, std::string_view suffix) {
  const auto found = tensors.find(suffix);
  return found == tensors.end() ? at::Tensor() : std::move(found->second);
}

std::int64_t first_size(const TensorFinder& find, const std::string& key, std::size_t dim, std::size_t dims,
                        const std::string& file) {
  const HostTensor* tensor = find(key);
  if (tensor == nullptr)
    throw_data("missing key " + key, file,
               "the file must hold scale_A, scale_B, rank_magnitude and lut of every layer");
  if (tensor->shape.size() != dims)
    throw_data(key + " is " + tensor->describe(), file, "expected " + std::to_string(dims) + " dimensions");
  return tensor->shape[dim];
}

std::optional<LinearQuant> recognise(const TensorFinder& find, const std::string& layer,
                                     const std::string& file) {
  const std::string key = layer + ".scale_A";
  if (find(key) == nullptr) return std::nullopt;
  LinearQuant quant;
  const HostTensor* q = find(layer + ".lut") == nullptr ? find(layer + "._Q") : nullptr;
  quant.lut_size = q == nullptr ? first_size(find, layer + ".lut", 0, 1, file)
                                : static_cast<std::int64_t>(values_of_q(*q).size());
  if (quant.lut_size == 0)
    throw_data(layer + "._Q holds other values than those of a table, and there is no .lut", file,
               "give the checkpoint that training wrote");
  quant.rank = first_size(find, key, 1, 2, file);
  quant.force_positive_scales = find(layer + std::string(kForcePositive)) != nullptr;
  return quant;
}

LayerDraft start(const at::Tensor& weight, const LinearQuant& quant, const InitOptions& options) {
  V2Draft made = initial_layer(weight, {}, v2_config(quant), options);
  return {by_suffix(made.tensors), false, std::move(made.warnings)};
}

LayerDraft read(const TensorMap& state, const LinearSpec& linear, const LinearQuant& quant, bool ste,
                const std::string& file) {
  V2Draft loaded = load_layer(state, linear.name, v2_config(quant), ste, file);
  return {by_suffix(loaded.tensors), loaded.had_q, std::move(loaded.warnings)};
}

std::unique_ptr<QuantLayer> make(const LinearSpec& linear, const LinearQuant& quant, LayerTensors tensors) {
  V2Linear::Tensors t;
  t.scale_A = take(tensors, ".scale_A");
  t.scale_B = take(tensors, ".scale_B");
  t.rank_magnitude = take(tensors, ".rank_magnitude");
  t.lut = take(tensors, ".lut");
  t.indices = take(tensors, "._indices");
  t.bias = take(tensors, ".bias");
  t.baked = take(tensors, "._scales_baked_flag").defined();
  V2Config config = v2_config(quant);
  config.force_positive_scales |= take(tensors, kForcePositive).defined();
  return std::make_unique<V2Linear>(linear.name, config, std::move(t));
}

}  // namespace

V2Config v2_config(const LinearQuant& quant) {
  V2Config config;
  config.lut_size = quant.lut_size;
  config.rank = quant.rank;
  config.group_size = quant.group_size;
  config.force_positive_scales = quant.force_positive_scales;
  return config;
}

std::vector<TensorRow> v2_table(std::int64_t out, std::int64_t in, const LinearQuant& quant) {
  using enum LayerRole;
  const auto part = TensorPart::other;
  return {{"._indices", at::kByte, {out, in}, frozen},
          {".lut", at::kFloat, {quant.lut_size}, frozen},
          {"._scales_baked_flag", at::kChar, {1}, frozen, part, /*optional=*/true},
          {".bias", at::kFloat, {out}, frozen, part, /*optional=*/true},
          {kForcePositive, at::kChar, {1}, frozen, part, /*optional=*/true},
          {".scale_A", at::kFloat, {out, quant.rank}, trained, TensorPart::scales},
          {".scale_B", at::kFloat, {quant.rank, in}, trained, TensorPart::scales},
          {".rank_magnitude", at::kFloat, {quant.rank}, trained, TensorPart::magnitudes}};
}

LayerType v2_layer_type() {
  return {"v2",
          recognise,
          [](const LinearSpec& linear, const LinearQuant& quant) {
            return v2_table(linear.out, linear.in, quant);
          },
          start,
          read,
          make};
}

}  // namespace anemll
