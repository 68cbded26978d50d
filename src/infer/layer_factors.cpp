#include "src/infer/internal/layer_factors.hpp"

#include <memory>
#include <vector>

namespace anemll {

at::Tensor layer_tensor(QuantLayer& layer, std::string_view suffix) {
  for (const LayerTensor& tensor : layer.tensor_table()) {
    if (tensor.row.suffix == suffix) return *tensor.slot;
  }
  return {};
}

std::optional<LayerFactors> layer_factors(const QuantLayer& layer, bool half) {
  if (layer.quant().type != "v2") return std::nullopt;
  const std::unique_ptr<QuantLayer> baked = layer.baked(half);
  return LayerFactors{layer_tensor(*baked, ".scale_A"), layer_tensor(*baked, ".scale_B"),
                      layer_tensor(*baked, ".lut"), layer_tensor(*baked, "._indices"),
                      layer_tensor(*baked, ".bias")};
}

}  // namespace anemll
