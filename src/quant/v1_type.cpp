#include "src/quant/internal/v1_type.hpp"

#include "anemll/core/error.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/v1_file.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include <ATen/TensorOperators.h>

namespace anemll {
namespace {

at::Tensor take(LayerTensors& tensors, std::string_view suffix) {
  const auto found = tensors.find(suffix);
  return found == tensors.end() ? at::Tensor() : std::move(found->second);
}

const HostTensor& require(const TensorFinder& find, const std::string& key, std::size_t dims,
                          const std::string& file) {
  const HostTensor* tensor = find(key);
  if (tensor == nullptr)
    throw_data(std::string("missing key ") += key, file,
               "a V1 file holds weight, lut, and scale_A with scale_B or full_scales of every layer");
  if (tensor->shape.size() != dims)
    throw_data(key + " is " + tensor->describe(), file, "expected " + std::to_string(dims) + " dimensions");
  return *tensor;
}

/// Has a weight with scales, and none of the tensors that V2 adds to them.
bool is_v1(const TensorFinder& find, const std::string& layer) {
  if (find(layer + ".full_scales") != nullptr) return true;
  if (find(layer + ".scale_A") == nullptr || find(layer + ".weight") == nullptr) return false;
  for (const char* suffix : {".rank_magnitude", "._Q", "._indices", "._scales_baked_flag"}) {
    if (find(layer + suffix) != nullptr) return false;
  }
  return true;
}

std::optional<LinearQuant> recognise(const TensorFinder& find, const std::string& layer,
                                     const std::string& file) {
  if (!is_v1(find, layer)) return std::nullopt;
  LinearQuant quant;
  quant.type = "v1";
  quant.lut_size = require(find, layer + ".lut", 1, file).shape[0];
  if (find(layer + ".full_scales") != nullptr) {
    quant.rank = 0;
    quant.padded_in = require(find, layer + ".full_scales", 2, file).shape[1];
  } else {
    quant.rank = require(find, layer + ".scale_A", 2, file).shape[1];
    quant.padded_in = require(find, layer + ".scale_B", 2, file).shape[1];
  }
  const std::string snapped = std::string(layer).append(kV1Snapped);
  if (const HostTensor* flag = find(snapped)) {
    const auto mode = flag->numel() == 1 ? as_torch(*flag).item<std::int64_t>() : -1;
    if (mode != static_cast<std::int64_t>(V1Snap::lut) && mode != static_cast<std::int64_t>(V1Snap::baked))
      throw_data(snapped + " is neither 1 nor 2", file, "the state is damaged");
    quant.snapped = static_cast<V1Snap>(mode);
  }
  return quant;
}

std::unique_ptr<QuantLayer> make(const LinearSpec& linear, const LinearQuant& quant, LayerTensors tensors) {
  V1Linear::Tensors t;
  t.weight = take(tensors, ".weight");
  t.bias = take(tensors, ".bias");
  t.scale_A = take(tensors, ".scale_A");
  t.scale_B = take(tensors, ".scale_B");
  t.full_scales = take(tensors, ".full_scales");
  t.lut = take(tensors, ".lut");
  LinearQuant used = quant;
  if (const at::Tensor flag = take(tensors, kV1Snapped); flag.defined())
    used.snapped = static_cast<V1Snap>(flag.item<std::int64_t>());
  return std::make_unique<V1Linear>(linear.name, used, std::move(t));
}

}  // namespace

std::int64_t v1_padded_in(std::int64_t in, const LinearQuant& quant) {
  if (quant.padded_in > 0) return quant.padded_in;
  return (in + quant.group_size - 1) / quant.group_size * quant.group_size;
}

bool v1_is_full(std::int64_t out, std::int64_t in, const LinearQuant& quant) {
  return quant.rank == 0 || quant.rank >= std::min(out, v1_padded_in(in, quant));
}

bool is_split_table(const at::Tensor& lut) {
  return lut.numel() > 2 && lut.numel() % 2 == 0 && lut.eq(0).any().item<bool>();
}

std::vector<TensorRow> v1_table(std::int64_t out, std::int64_t in, const LinearQuant& quant) {
  using enum LayerRole;
  const std::int64_t padded = v1_padded_in(in, quant);
  std::vector<TensorRow> rows = {{".weight", at::kFloat, {out, in}, trained, TensorPart::weights},
                                 {".bias", at::kFloat, {out}, frozen, TensorPart::other, /*optional=*/true}};
  if (v1_is_full(out, in, quant)) {
    rows.push_back({".full_scales", at::kFloat, {out, padded}, trained, TensorPart::scales});
  } else {
    rows.push_back({".scale_A", at::kFloat, {out, quant.rank}, trained, TensorPart::scales});
    rows.push_back({".scale_B", at::kFloat, {quant.rank, padded}, trained, TensorPart::scales});
  }
  rows.push_back({".lut", at::kFloat, {quant.lut_size}, frozen});
  rows.push_back({kV1Snapped, at::kChar, {1}, frozen, TensorPart::other, /*optional=*/true});
  return rows;
}

LayerType v1_layer_type() {
  return {"v1",
          recognise,
          [](const LinearSpec& linear, const LinearQuant& quant) {
            return v1_table(linear.out, linear.in, quant);
          },
          start_v1,
          read_v1,
          make};
}

}  // namespace anemll
