// A V2 layer in the packed file: codes side by side, scales as halves or as 8-bit numbers and their steps.
// The values are those of the FP16 export. README.md of the room `export` has the names of the tensors.
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/quant/half_cast.hpp"
#include "src/quant/layer.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// What anemll_snap --format packed writes into a folder.
inline constexpr const char* kPackedFile = "packed.safetensors";
/// The key of a packed file's metadata, and what it says of the version that is read and written here.
inline constexpr std::string_view kPackedKey = "anemll_packed";
inline constexpr std::string_view kPackedVersion = "1";
/// Metadata with the text of config.json.
inline constexpr std::string_view kPackedConfig = "anemll_config";
/// Metadata: where the head is the embedding, and has no tensor of its own.
inline constexpr std::string_view kPackedTied = "anemll_tied_head";

/// The layer's tensors, scales that lie on an 8-bit grid as such. Values are cast when they are made, or now
/// where they decide about types; `counts` must outlive the result. Usage error for another type of layer.
std::vector<LazyTensor> packed_entries(const QuantLayer& layer, CastCounts& counts);
/// What these take, and of another type of layer what it takes with 16 bits for each number that is no code.
double packed_bits(QuantLayer& layer);
/// Whether both factors of the layer lie on an 8-bit grid.
bool has_grid_scales(const QuantLayer& layer);

/// The tensors of a packed file with its layers under the reference's keys, as a snapped checkpoint has them;
/// the others are as they were. Data errors name `file` and a tensor that is missing or misshapen.
TensorMap unpack_layers(const TensorMap& packed, const std::string& file);

}  // namespace anemll
