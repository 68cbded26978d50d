// The V1 layer as a layer type: its table of tensors, and its three ways into being.
#pragma once

#include "src/quant/internal/v1_layer.hpp"
#include "src/quant/layer_type.hpp"

namespace anemll {

LayerType v1_layer_type();

/// Of native states: what a snapped layer's weight holds, as V1Snap.
inline constexpr std::string_view kV1Snapped = "._snapped_mode";

/// The rows of a V1 layer, in the order of the reference's state dict.
std::vector<TensorRow> v1_table(std::int64_t out, std::int64_t in, const LinearQuant& quant);

/// Columns of the scales of a layer with this input.
std::int64_t v1_padded_in(std::int64_t in, const LinearQuant& quant);
/// A rank that reaches the smaller side of the scales means a scale for each weight, as rank 0 does.
bool v1_is_full(std::int64_t out, std::int64_t in, const LinearQuant& quant);
/// An even number of entries with a zero among them: the halves have steps of their own.
bool is_split_table(const at::Tensor& lut);

/// Out of the float weight. Its warnings do not name the layer.
LayerDraft start_v1(const at::Tensor& weight, const LinearQuant& quant, const InitOptions& options);

}  // namespace anemll
