// The preset table and the resolution of a scheme.
#include "anemll/quant/presets.hpp"

#include "anemll/core/error.hpp"

#include <array>
#include <utility>

namespace anemll {
namespace {

constexpr std::array<QuantPreset, 5> kPresets = {{
    {"q2a4", {4, 32, 16, 8}},
    {"q4a4", {16, 4, 16, 4}},
    {"q4a4_r32", {16, 32, 16, 32}},
    {"q2a2", {4, 32, 4, 32}},
    {"q4_r32", {16, 32, 16, 32}},
}};

using Field = std::optional<std::int64_t>;

std::int64_t first_size(const TensorMap& state, const std::string& key, std::size_t dim, std::size_t dims,
                        const std::string& file) {
  const HostTensor* tensor = state.find(key);
  if (tensor == nullptr)
    throw_data("missing key " + key, file,
               "the file must hold scale_A, scale_B, rank_magnitude and lut of every layer");
  if (tensor->shape.size() != dims)
    throw_data(key + " is " + tensor->describe(), file, "expected " + std::to_string(dims) + " dimensions");
  return tensor->shape[dim];
}

void merge(Field& known, std::int64_t value, const char* what, const std::string& layer,
           const std::string& file) {
  if (known && *known != value)
    throw_data(
        layer + " has " + what + " " + std::to_string(value) + ", earlier layers " + std::to_string(*known),
        file, "all MLP layers must share one table size and rank, and all attention layers another");
  known = value;
}

Field bits_to_size(const Field& bits) {
  if (!bits) return std::nullopt;
  if (*bits < 1 || *bits > 8)
    throw_data("a table of " + std::to_string(*bits) + " bits", "config.json", "1 to 8 bits are possible");
  return std::int64_t{1} << *bits;
}

Field first_of(const Field& a, const Field& b) {
  return a ? a : b;
}

DetectedScheme from_keys(const QuantConfigKeys& keys) {
  DetectedScheme found;
  found.mlp_lut = bits_to_size(first_of(keys.lut_bits, keys.mlp_lut_bits));
  found.attn_lut = first_of(bits_to_size(keys.attn_lut_bits), found.mlp_lut);
  found.mlp_rank = first_of(keys.scale_rank, keys.mlp_scale_rank);
  found.attn_rank = first_of(keys.attn_scale_rank, found.mlp_rank);
  return found;
}

DetectedScheme from_preset(std::string_view name) {
  const QuantScheme scheme = preset_scheme(name);
  return {scheme.mlp_lut, scheme.mlp_rank, scheme.attn_lut, scheme.attn_rank};
}

bool known_preset(std::string_view name) {
  for (const QuantPreset& preset : kPresets)
    if (preset.name == name) return true;
  return false;
}

/// One number of the scheme with its four sources in order.
std::int64_t choose(const char* flag, const Field& shape, const Field& wanted, const Field& key,
                    const Field& named, const std::string& file) {
  if (shape && wanted && *shape != *wanted)
    throw_usage(std::string(flag) + " " + std::to_string(*wanted) +
                    " contradicts the checkpoint, which has " + std::to_string(*shape),
                file, "drop the flag, or start from the model's own weights");
  if (shape) return *shape;
  if (wanted) return *wanted;
  if (key) return *key;
  return *named;
}

}  // namespace

std::string QuantScheme::describe() const {
  return "MLP " + std::to_string(mlp_lut) + " entries rank " + std::to_string(mlp_rank) + ", attention " +
         std::to_string(attn_lut) + " entries rank " + std::to_string(attn_rank);
}

std::span<const QuantPreset> quant_presets() {
  return kPresets;
}

QuantScheme preset_scheme(std::string_view name) {
  std::string names;
  for (const QuantPreset& preset : kPresets) {
    if (preset.name == name) return preset.scheme;
    names += names.empty() ? "" : ", ";
    names += preset.name;
  }
  throw_usage("there is no preset '" + std::string(name) + "'", "--config",
              "choose one of " + names + ", or give --mlp-lut, --mlp-rank, --attn-lut and --attn-rank");
}

std::string preset_name(const QuantScheme& scheme) {
  for (const QuantPreset& preset : kPresets)
    if (preset.scheme == scheme) return std::string(preset.name);
  return {};
}

DetectedScheme detect_scheme(const TensorMap& state, const std::string& file) {
  constexpr std::string_view kSuffix = ".scale_A";
  DetectedScheme found;
  for (const auto& [key, tensor] : state) {
    if (!key.ends_with(kSuffix)) continue;
    const std::string layer = key.substr(0, key.size() - kSuffix.size());
    const bool mlp = layer.find(".mlp.") != std::string::npos;
    if (!mlp && layer.find(".self_attn.") == std::string::npos) continue;
    merge(mlp ? found.mlp_rank : found.attn_rank, first_size(state, key, 1, 2, file), "rank", layer, file);
    merge(mlp ? found.mlp_lut : found.attn_lut, first_size(state, layer + ".lut", 0, 1, file), "table size",
          layer, file);
  }
  return found;
}

ResolvedScheme resolve_scheme(const SchemeRequest& request) {
  ResolvedScheme resolved;
  const DetectedScheme shapes = request.checkpoint != nullptr
                                    ? detect_scheme(*request.checkpoint, request.checkpoint_file)
                                    : DetectedScheme();
  DetectedScheme keys = request.keys != nullptr ? from_keys(*request.keys) : DetectedScheme();
  std::string name = request.preset;
  if (!name.empty() && request.checkpoint == nullptr)
    keys = DetectedScheme();  // from scratch: the flag is the request
  if (name.empty() && request.keys != nullptr && known_preset(request.keys->config_preset))
    name = request.keys->config_preset;
  const DetectedScheme named = from_preset(name.empty() ? "q2a4" : name);
  const SchemeOverrides& o = request.overrides;
  const std::string& file = request.checkpoint_file;
  resolved.scheme.mlp_lut = choose("--mlp-lut", shapes.mlp_lut, o.mlp_lut, keys.mlp_lut, named.mlp_lut, file);
  resolved.scheme.mlp_rank =
      choose("--mlp-rank", shapes.mlp_rank, o.mlp_rank, keys.mlp_rank, named.mlp_rank, file);
  resolved.scheme.attn_lut =
      choose("--attn-lut", shapes.attn_lut, o.attn_lut, keys.attn_lut, named.attn_lut, file);
  resolved.scheme.attn_rank =
      choose("--attn-rank", shapes.attn_rank, o.attn_rank, keys.attn_rank, named.attn_rank, file);
  if (shapes.complete())
    resolved.source = "tensor shapes of " + file;
  else if (keys.complete())
    resolved.source = "config.json";
  else
    resolved.source = "preset " + (name.empty() ? std::string("q2a4") : name);
  if (!request.preset.empty() && preset_scheme(request.preset) != resolved.scheme && shapes.complete())
    resolved.warnings.push_back("--config " + request.preset + " says " +
                                preset_scheme(request.preset).describe() + "; the checkpoint has " +
                                resolved.scheme.describe() + ", which is used");
  return resolved;
}

}  // namespace anemll
