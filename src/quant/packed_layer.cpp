#include "src/quant/packed_layer.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/model/torch_bridge.hpp"
#include "src/quant/internal/code_bits.hpp"
#include "src/quant/internal/layer_keys.hpp"
#include "src/quant/scale_grid.hpp"

#include <memory>
#include <optional>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>

namespace anemll {
namespace {

constexpr std::string_view kCodes = ".codes";  // of the weight, and behind a factor's name of the factor
constexpr std::string_view kSteps = ".steps";
constexpr std::string_view kScaleA = ".scale_A", kScaleB = ".scale_B";
constexpr double kHalf = 16;

/// A baked layer's tensors on the CPU.
struct Parts {
  at::Tensor a, b;  // halves
  at::Tensor lut, bias, indices;
};

at::Tensor tensor_of(QuantLayer& layer, std::string_view suffix) {
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix == suffix && tensor.slot->defined()) return tensor.slot->detach().cpu();
  }
  return {};
}

std::string name_of_part(const std::string& layer, std::string_view suffix, std::string_view more = {}) {
  return std::string(layer).append(suffix).append(more);
}

Parts parts_of(const QuantLayer& layer, CastCounts& counts) {
  const std::unique_ptr<QuantLayer> baked = layer.baked(true);
  Parts parts;
  const auto half = [&](std::string_view suffix) {
    return cast_to_half(tensor_of(*baked, suffix), name_of_part(layer.name(), suffix), counts);
  };
  parts.a = half(kScaleA);
  parts.b = half(kScaleB);
  parts.lut = half(".lut");
  if (tensor_of(*baked, ".bias").defined()) parts.bias = half(".bias");
  parts.indices = tensor_of(*baked, "._indices");
  return parts;
}

LazyTensor entry(std::string name, const at::Tensor& tensor) {
  return lazy(std::move(name), as_host(tensor.contiguous()));
}

void add_factor(std::vector<LazyTensor>& entries, const std::string& name, const at::Tensor& factor,
                std::int64_t rank_dim) {
  if (const std::optional<GridCodes> grid = grid_codes(factor, rank_dim)) {
    entries.push_back(entry(name_of_part(name, kCodes), grid->codes));
    entries.push_back(entry(name_of_part(name, kSteps), grid->steps.to(at::kHalf)));
  } else {
    entries.push_back(entry(name, factor));
  }
}

[[noreturn]] void damaged(const std::string& file, const std::string& problem) {
  throw_data(problem, file,
             "the file is damaged or of another program: write it again by anemll_snap --format packed");
}

/// Never null. A reference would be taken for a part of the name by newer compilers.
const HostTensor* require(const TensorMap& packed, const std::string& name, DType dtype, std::size_t dims,
                          const std::string& file) {
  const HostTensor* tensor = packed.find(name);
  if (tensor == nullptr) damaged(file, strf("has no tensor %s", name.c_str()));
  if (tensor->dtype != dtype || tensor->shape.size() != dims || tensor->numel() == 0)
    damaged(file, strf("%s is %s", name.c_str(), tensor->describe().c_str()));
  return tensor;
}

at::Tensor read_factor(const TensorMap& packed, const std::string& name, std::int64_t rank_dim,
                       const std::string& file) {
  if (packed.contains(name)) return as_torch(*require(packed, name, DType::f16, 2, file)).to(at::kFloat);
  const HostTensor& codes = *require(packed, name_of_part(name, kCodes), DType::i8, 2, file);
  const HostTensor& steps = *require(packed, name_of_part(name, kSteps), DType::f16, 1, file);
  if (steps.shape[0] != codes.shape[static_cast<std::size_t>(rank_dim)])
    damaged(file, strf("%s%s has another rank than its codes", name.c_str(), std::string(kSteps).c_str()));
  return GridCodes{as_torch(codes), as_torch(steps).to(at::kFloat)}.values(rank_dim);
}

/// The layer whose codes are `codes`, in its reference keys.
void unpack_layer(const TensorMap& packed, const std::string& layer, const std::string& file, TensorMap& to) {
  const auto name = [&layer](std::string_view suffix) { return name_of_part(layer, suffix); };
  const HostTensor& lut = *require(packed, name(".lut"), DType::f16, 1, file);
  const HostTensor& codes = *require(packed, name(kCodes), DType::u8, 2, file);
  if (lut.shape[0] < 2 || lut.shape[0] > 256)
    damaged(file, strf("%s.lut is %s", layer.c_str(), lut.describe().c_str()));
  const at::Tensor a = read_factor(packed, name(kScaleA), 1, file);
  const at::Tensor b = read_factor(packed, name(kScaleB), 0, file);
  const std::int64_t bits = bits_of(lut.shape[0]), in = b.size(1);
  if (codes.shape[0] != a.size(0) || a.size(1) != b.size(0) || codes.shape[1] != packed_row_bytes(in, bits))
    damaged(file, strf("the tensors of %s are not of one layer", layer.c_str()));
  to.set(name(kScaleA), as_host(a.contiguous()));
  to.set(name(kScaleB), as_host(b.contiguous()));
  to.set(name(".rank_magnitude"), as_host(at::ones({a.size(1)}, at::kFloat)));
  to.set(name(".lut"), lut);
  to.set(name("._indices"), as_host(unpack_codes(as_torch(codes), bits, in)));
  to.set(name("._scales_baked_flag"), as_host(at::ones({1}, at::kChar)));
}

}  // namespace

std::vector<LazyTensor> packed_entries(const QuantLayer& layer, CastCounts& counts) {
  const at::NoGradGuard no_grad;
  if (layer.quant().type != "v2")
    throw_usage(
        "the packed file holds V2 layers alone", layer.name(),
        strf("this one is of type %s: convert the checkpoint to V2 first", layer.quant().type.c_str()));
  const Parts parts = parts_of(layer, counts);
  const std::int64_t bits = layer.quant().bits();
  std::vector<LazyTensor> entries;
  entries.push_back(lazy_entry(name_of_part(layer.name(), kCodes), DType::u8,
                               {layer.out(), packed_row_bytes(layer.in(), bits)},
                               [indices = parts.indices, bits] { return pack_codes(indices, bits); }));
  entries.push_back(entry(name_of_part(layer.name(), ".lut"), parts.lut));
  add_factor(entries, name_of_part(layer.name(), kScaleA), parts.a, 1);
  add_factor(entries, name_of_part(layer.name(), kScaleB), parts.b, 0);
  if (parts.bias.defined()) entries.push_back(entry(name_of_part(layer.name(), ".bias"), parts.bias));
  return entries;
}

double packed_bits(QuantLayer& layer) {
  const LinearQuant quant = layer.quant();
  const double weights = static_cast<double>(layer.out()) * static_cast<double>(layer.in());
  if (quant.lut_size == 0) return weights * kHalf;
  if (quant.type == "v2") {
    CastCounts uncounted;
    double bits = 0;
    for (const LazyTensor& tensor : packed_entries(layer, uncounted)) {
      if (!tensor.name.ends_with(".bias")) bits += 8.0 * static_cast<double>(total_bytes({&tensor, 1}));
    }
    return bits;
  }
  double bits = weights * static_cast<double>(quant.bits()) + static_cast<double>(quant.lut_size) * kHalf;
  for (const LayerTensor& tensor : layer.tensor_table()) {
    const bool scale = tensor.row.part == TensorPart::scales || tensor.row.part == TensorPart::magnitudes;
    if (scale && tensor.slot->defined()) bits += static_cast<double>(tensor.slot->numel()) * kHalf;
  }
  return bits;
}

bool has_grid_scales(const QuantLayer& layer) {
  if (layer.quant().type != "v2") return false;
  CastCounts uncounted;
  const Parts parts = parts_of(layer, uncounted);
  return grid_codes(parts.a, 1).has_value() && grid_codes(parts.b, 0).has_value();
}

TensorMap unpack_layers(const TensorMap& packed, const std::string& file) {
  const at::NoGradGuard no_grad;
  TensorMap tensors;
  for (const auto& [name, tensor] : packed) {
    const bool of_factor = name.ends_with(name_of_part(std::string(kScaleA), kCodes)) ||
                           name.ends_with(name_of_part(std::string(kScaleB), kCodes));
    if (!of_factor && name.ends_with(kCodes)) {
      unpack_layer(packed, name.substr(0, name.size() - kCodes.size()), file, tensors);
      continue;
    }
    const bool of_layer = of_factor || name.ends_with(kSteps) || name.ends_with(kScaleA) ||
                          name.ends_with(kScaleB) || name.ends_with(".lut");
    if (!of_layer) tensors.set(name, tensor);
  }
  return tensors;
}

}  // namespace anemll
