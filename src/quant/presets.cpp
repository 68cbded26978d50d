// The preset table and the resolution of a scheme.
#include "anemll/quant/presets.hpp"

#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/quant/layer_type.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace anemll {
namespace {

struct QuantPreset {
  std::string_view name;
  QuantScheme scheme;
};

// Of two names for the same numbers the first is written.
constexpr LinearNumbers kGate2{4, 4}, kFour{16, 4};
constexpr std::array<QuantPreset, 8> kPresets = {{
    {"q2a4", {4, 32, 16, 8}},
    {"q4a4", {16, 4, 16, 4}},
    {"q4a4_r32", {16, 32, 16, 32}},
    {"q4_r32", {16, 32, 16, 32}},
    {"q4_r64", {16, 64, 16, 64}},
    {"q2a2", {4, 32, 4, 32}},
    // In the order of LayerLinear: q, k, v, o, gate, up, down.
    {"balanced", {16, 2, 16, 2, {{{}, {}, {}, {}, kGate2, {}, {}}}}},
    {"balanced3", {8, 4, 8, 4, {{{}, {}, kFour, kFour, {}, {}, kFour}}}},
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

/// Whether the linears have the preset's numbers.
bool has_numbers(const QuantSpec& spec, const QuantScheme& scheme) {
  const std::vector<QuantSpec::Entry>& entries = spec.entries();
  return std::all_of(entries.begin(), entries.end(), [&scheme](const QuantSpec::Entry& entry) {
    return LinearNumbers{entry.quant.lut_size, entry.quant.rank} == scheme.of(entry.linear, entry.mlp);
  });
}

/// The first name that is no linear of the model's, or empty.
std::string unknown_linear(const LayerOverrides& layers, std::span<const LinearSpec> linears) {
  for (const auto& [name, numbers] : layers) {
    const bool known = std::any_of(linears.begin(), linears.end(),
                                   [&name = name](const LinearSpec& linear) { return linear.name == name; });
    if (!known) return name;
  }
  return {};
}

const LayerOverride& override_of(const LayerOverrides& layers, const std::string& linear) {
  static const LayerOverride nothing;
  const auto found = layers.find(linear);
  return found == layers.end() ? nothing : found->second;
}

/// What one number of a linear is chosen from, in this order.
struct Sources {
  Field shape, own, flag, key, named;
};
/// `number`: in words; `flag`: what the program calls it for all.
std::int64_t choose(const std::string& linear, const char* number, const std::string& flag, const Sources& s,
                    const QuantRequest& request) {
  const auto contradicts = [&](const std::string& who, std::int64_t wanted) {
    throw_usage(strf("%s %lld contradicts the checkpoint, which has %lld", who.c_str(),
                     static_cast<long long>(wanted), static_cast<long long>(*s.shape)),
                request.checkpoint_file, "drop the flag, or start from the model's own weights");
  };
  if (s.shape && s.own && *s.shape != *s.own)
    contradicts(strf("%s of %s in %s:", number, linear.c_str(), request.layers_file.c_str()), *s.own);
  if (s.shape && !s.own && s.flag && *s.shape != *s.flag) contradicts(flag, *s.flag);
  for (const Field* source : {&s.shape, &s.own, &s.flag, &s.key, &s.named}) {
    if (*source) return **source;
  }
  throw_usage(std::string("--config custom needs ") += flag, "--config",
              std::string("give ") += request.flags.all());
}

/// What config.json says that is not so: its numbers, and the name of its preset. Empty where all agrees.
/// Only keys that it has are compared, and tables by their bits, which is what it holds of them.
std::string contradictions(const QuantConfigKeys& keys, const QuantSpec& spec) {
  const QuantScheme usual = spec.usual();
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
  if (known_preset(keys.config_preset) && !has_numbers(spec, preset_scheme(keys.config_preset)))
    found.append(found.empty() ? "" : ", ").append("config_preset ").append(keys.config_preset);
  for (const QuantSpec::Entry& entry : spec.entries()) {
    const LayerOverride& said = override_of(keys.layer_overrides, entry.linear);
    const std::string before = found;
    compare("lut_bits", said.lut_bits, entry.quant.bits());
    compare("scale_rank", said.scale_rank, entry.quant.rank);
    if (found == before) continue;
    return found.append(" of ").append(entry.linear).append(" in layer_overrides");  // one is enough
  }
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
  for (const QuantPreset& preset : kPresets)
    if (has_numbers(spec, preset.scheme)) return std::string(preset.name);
  return {};
}

bool fits_preset(const QuantSpec& spec, std::string_view name) {
  return has_numbers(spec, preset_scheme(name));
}

ResolvedQuant resolve_quant(const QuantRequest& request) {
  ResolvedQuant resolved;
  static const LayerOverrides no_layers;
  Numbers keys = request.keys != nullptr ? from_keys(*request.keys) : Numbers();
  const LayerOverrides* key_layers = request.keys != nullptr ? &request.keys->layer_overrides : &no_layers;
  std::string name = request.preset;
  if (!name.empty() && request.checkpoint == nullptr) {  // from scratch: the flag decides
    keys = Numbers();
    key_layers = &no_layers;
  }
  if (name.empty() && request.keys != nullptr && known_preset(request.keys->config_preset))
    name = request.keys->config_preset;
  std::optional<QuantScheme> named;
  if (name != kCustomPreset) named = preset_scheme(name.empty() ? "q2a4" : name);
  const SchemeOverrides& o = request.overrides;
  const SchemeFlags& flags = request.flags;
  const std::string& file = request.checkpoint_file;
  if (const std::string other = unknown_linear(request.layers, request.linears); !other.empty())
    throw_usage("names a linear that the model has not: " + other, request.layers_file,
                "names are those of the model's state dict: model.layers.0.mlp.gate_proj");
  if (const std::string other = unknown_linear(*key_layers, request.linears); !other.empty())
    resolved.warnings.push_back("layer_overrides of config.json names a linear that the model has not: " +
                                other);

  resolved.spec = QuantSpec(request.linears, {}, request.group_size);
  bool mlp_shapes = false, attention_shapes = false;
  for (QuantSpec::Entry& entry : resolved.spec.entries()) {
    LinearQuant& quant = entry.quant;
    const std::optional<LinearQuant> shapes = shapes_of(request, entry.linear);
    const LayerOverride& own = override_of(request.layers, entry.linear);
    const LayerOverride& key = override_of(*key_layers, entry.linear);
    Sources lut{{},
                bits_to_size(own.lut_bits),
                entry.mlp ? o.mlp_lut : o.attn_lut,
                first_of(bits_to_size(key.lut_bits), entry.mlp ? keys.mlp_lut : keys.attn_lut),
                {}};
    Sources rank{{},
                 own.scale_rank,
                 entry.mlp ? o.mlp_rank : o.attn_rank,
                 first_of(key.scale_rank, entry.mlp ? keys.mlp_rank : keys.attn_rank),
                 {}};
    if (named) {
      const LinearNumbers numbers = named->of(entry.linear, entry.mlp);
      lut.named = numbers.lut;
      rank.named = numbers.rank;
    }
    if (shapes) {
      quant = *shapes;
      quant.group_size = request.group_size;
      lut.shape = shapes->lut_size;
      rank.shape = shapes->rank;
    }
    quant.lut_size =
        choose(entry.linear, "table entries", entry.mlp ? flags.mlp_lut : flags.attn_lut, lut, request);
    quant.rank = choose(entry.linear, "rank", entry.mlp ? flags.mlp_rank : flags.attn_rank, rank, request);
    (entry.mlp ? mlp_shapes : attention_shapes) |= shapes.has_value();
    if (request.checkpoint != nullptr && request.keys != nullptr) {
      quant.group_size = request.keys->group_size.value_or(request.group_size);
      quant.force_positive_scales = request.keys->force_positive_scales.value_or(false);
      if (quant.type == "v1") quant.snapped = request.keys->snapped;
    }
    if (key.group_size) quant.group_size = *key.group_size;
    if (own.group_size && request.checkpoint == nullptr) quant.group_size = *own.group_size;
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
  if (!request.layers.empty() && request.checkpoint == nullptr)
    resolved.source.append(", single linears of ").append(request.layers_file);
  if (!by_shapes) return resolved;
  std::string others;
  if (!request.preset.empty() && request.preset != kCustomPreset) {
    const QuantScheme wanted = preset_scheme(request.preset);
    if (!has_numbers(resolved.spec, wanted))
      others = "--config " + request.preset + " says " + wanted.describe();
  }
  const std::string written =
      request.keys != nullptr ? contradictions(*request.keys, resolved.spec) : std::string();
  if (!written.empty()) others.append(others.empty() ? "" : ", ").append("config.json says ").append(written);
  if (!others.empty())
    resolved.warnings.push_back(others + "; the checkpoint has " + resolved.spec.describe() +
                                ", which is used");
  return resolved;
}

}  // namespace anemll
