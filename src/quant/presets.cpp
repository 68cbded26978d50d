// The preset table and the resolution of a scheme.
#include "anemll/quant/presets.hpp"

#include "anemll/core/error.hpp"
#include "src/quant/layer_type.hpp"

#include <array>
#include <utility>

namespace anemll {
namespace {

struct QuantPreset {
  std::string_view name;
  QuantScheme scheme;
};

// Of two names for the same numbers the first is written.
constexpr std::array<QuantPreset, 6> kPresets = {{
    {"q2a4", {4, 32, 16, 8}},
    {"q4a4", {16, 4, 16, 4}},
    {"q4a4_r32", {16, 32, 16, 32}},
    {"q4_r32", {16, 32, 16, 32}},
    {"q4_r64", {16, 64, 16, 64}},
    {"q2a2", {4, 32, 4, 32}},
}};

using Field = std::optional<std::int64_t>;

Field bits_to_size(const Field& bits) {
  if (!bits) return std::nullopt;
  if (*bits < 1 || *bits > 8)
    throw_data("a table of " + std::to_string(*bits) + " bits", "config.json", "1 to 8 bits are possible");
  return std::int64_t{1} << *bits;
}

Field first_of(const Field& a, const Field& b) {
  return a ? a : b;
}

/// Table sizes and ranks of both kinds, as far as one source knows them.
struct Numbers {
  Field mlp_lut, mlp_rank, attn_lut, attn_rank;
  bool complete() const { return mlp_lut && mlp_rank && attn_lut && attn_rank; }
};

Numbers from_keys(const QuantConfigKeys& keys) {
  Numbers found;
  found.mlp_lut = bits_to_size(first_of(keys.lut_bits, keys.mlp_lut_bits));
  found.attn_lut = first_of(bits_to_size(keys.attn_lut_bits), found.mlp_lut);
  found.mlp_rank = first_of(keys.scale_rank, keys.mlp_scale_rank);
  found.attn_rank = first_of(keys.attn_scale_rank, found.mlp_rank);
  return found;
}

Numbers from_preset(std::string_view name) {
  if (name == kCustomPreset) return {};
  const QuantScheme scheme = preset_scheme(name);
  return {scheme.mlp_lut, scheme.mlp_rank, scheme.attn_lut, scheme.attn_rank};
}

bool known_preset(std::string_view name) {
  for (const QuantPreset& preset : kPresets)
    if (preset.name == name) return true;
  return false;
}

/// What the tensors of a checkpoint's layer say; nothing where the checkpoint has no such layer.
std::optional<LinearQuant> shapes_of(const QuantRequest& request, const std::string& layer) {
  if (request.checkpoint == nullptr) return std::nullopt;
  const auto find = [&request](const std::string& name) { return request.checkpoint->find(name); };
  return recognise_layer(find, layer, request.checkpoint_file);
}

/// One number of a linear with its four sources in order.
std::int64_t choose(const std::string& flag, const Field& shape, const Field& wanted, const Field& key,
                    const Field& named, const QuantRequest& request) {
  if (shape && wanted && *shape != *wanted)
    throw_usage(flag + " " + std::to_string(*wanted) + " contradicts the checkpoint, which has " +
                    std::to_string(*shape),
                request.checkpoint_file, "drop the flag, or start from the model's own weights");
  if (shape) return *shape;
  if (wanted) return *wanted;
  if (key) return *key;
  if (!named)
    throw_usage(std::string("--config custom needs ") += flag, "--config",
                std::string("give ") += request.flags.all());
  return *named;
}

/// What config.json says that is not so: its numbers, and the name of its preset. Empty where all agrees.
/// Only keys that it has are compared, and tables by their bits, which is what it holds of them.
std::string contradictions(const QuantConfigKeys& keys, const QuantScheme& usual) {
  std::string found;
  const auto compare = [&found](const char* key, const Field& said, std::int64_t actual) {
    if (!said || *said == actual) return;
    found.append(found.empty() ? "" : ", ").append(key).append(" ").append(std::to_string(*said));
  };
  compare("lut_bits", keys.lut_bits, bits_of(usual.mlp_lut));
  compare("mlp_lut_bits", keys.mlp_lut_bits, bits_of(usual.mlp_lut));
  compare("attn_lut_bits", keys.attn_lut_bits, bits_of(usual.attn_lut));
  compare("scale_rank", keys.scale_rank, usual.mlp_rank);
  compare("mlp_scale_rank", keys.mlp_scale_rank, usual.mlp_rank);
  compare("attn_scale_rank", keys.attn_scale_rank, usual.attn_rank);
  if (known_preset(keys.config_preset) && preset_scheme(keys.config_preset) != usual)
    found.append(found.empty() ? "" : ", ").append("config_preset ").append(keys.config_preset);
  return found;
}

}  // namespace

QuantScheme preset_scheme(std::string_view name) {
  for (const QuantPreset& preset : kPresets) {
    if (preset.name == name) return preset.scheme;
  }
  throw_usage("there is no preset '" + std::string(name) + "'", "--config",
              (std::string("choose one of ") += preset_words()) + "; custom has no numbers of its own");
}

std::string SchemeFlags::all() const {
  return std::string(mlp_lut) + ", " + mlp_rank + ", " + attn_lut + " and " + attn_rank;
}

std::string preset_words() {
  std::string words;
  for (const QuantPreset& preset : kPresets) words.append(preset.name).append(", ");
  return words.append(kCustomPreset);
}

std::string preset_name(const QuantSpec& spec) {
  if (spec.mixed()) return {};
  const QuantScheme scheme = spec.usual();
  for (const QuantPreset& preset : kPresets)
    if (preset.scheme == scheme) return std::string(preset.name);
  return {};
}

ResolvedQuant resolve_quant(const QuantRequest& request) {
  ResolvedQuant resolved;
  Numbers keys = request.keys != nullptr ? from_keys(*request.keys) : Numbers();
  std::string name = request.preset;
  if (!name.empty() && request.checkpoint == nullptr) keys = Numbers();  // from scratch: the flag decides
  if (name.empty() && request.keys != nullptr && known_preset(request.keys->config_preset))
    name = request.keys->config_preset;
  const Numbers named = from_preset(name.empty() ? "q2a4" : name);
  const SchemeOverrides& o = request.overrides;
  const SchemeFlags& flags = request.flags;
  const std::string& file = request.checkpoint_file;

  resolved.spec = QuantSpec(request.linears, {}, request.group_size);
  bool mlp_shapes = false, attention_shapes = false;
  for (QuantSpec::Entry& entry : resolved.spec.entries()) {
    LinearQuant& quant = entry.quant;
    const std::optional<LinearQuant> shapes = shapes_of(request, entry.linear);
    const Field lut = shapes ? Field(shapes->lut_size) : Field();
    const Field rank = shapes ? Field(shapes->rank) : Field();
    if (shapes) {
      quant = *shapes;
      quant.group_size = request.group_size;
    }
    if (entry.mlp) {
      quant.lut_size = choose(flags.mlp_lut, lut, o.mlp_lut, keys.mlp_lut, named.mlp_lut, request);
      quant.rank = choose(flags.mlp_rank, rank, o.mlp_rank, keys.mlp_rank, named.mlp_rank, request);
    } else {
      quant.lut_size = choose(flags.attn_lut, lut, o.attn_lut, keys.attn_lut, named.attn_lut, request);
      quant.rank = choose(flags.attn_rank, rank, o.attn_rank, keys.attn_rank, named.attn_rank, request);
    }
    (entry.mlp ? mlp_shapes : attention_shapes) |= shapes.has_value();
    if (request.checkpoint != nullptr && request.keys != nullptr) {
      quant.group_size = request.keys->group_size.value_or(request.group_size);
      quant.force_positive_scales = request.keys->force_positive_scales.value_or(false);
      if (quant.type == "v1") quant.snapped = request.keys->snapped;
    }
  }
  const bool by_shapes = mlp_shapes && attention_shapes;
  if (by_shapes)
    resolved.source = "tensor shapes of " + file;
  else if (keys.complete())
    resolved.source = "config.json";
  else
    resolved.source = "preset " + (name.empty() ? std::string("q2a4") : name);
  if (mlp_shapes != attention_shapes)
    resolved.source = (std::string("tensor shapes of ") += file) + ", else " + resolved.source;
  if (!by_shapes) return resolved;
  const QuantScheme usual = resolved.spec.usual();
  std::string others;
  if (!request.preset.empty() && request.preset != kCustomPreset) {
    const QuantScheme wanted = preset_scheme(request.preset);
    if (wanted != usual || resolved.spec.mixed())
      others = "--config " + request.preset + " says " + wanted.describe();
  }
  const std::string written = request.keys != nullptr ? contradictions(*request.keys, usual) : std::string();
  if (!written.empty()) others.append(others.empty() ? "" : ", ").append("config.json says ").append(written);
  if (!others.empty())
    resolved.warnings.push_back(others + "; the checkpoint has " + resolved.spec.describe() +
                                ", which is used");
  return resolved;
}

}  // namespace anemll
