// Reads the quantisation keys of a checkpoint's config.json. Unknown keys are ignored: many tools write this
// file.
#include "anemll/core/error.hpp"
#include "anemll/quant/presets.hpp"
#include "src/core/content_kind.hpp"

#include <nlohmann/json.hpp>

namespace anemll {
namespace {

using Json = nlohmann::json;

const Json* find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] void wrong(const std::string& path, const char* key, const char* expected) {
  throw_data(std::string(key) + " is not " + expected, path, "correct the file or remove the key");
}

void read(const Json& object, const char* key, std::optional<std::int64_t>& to, const std::string& path) {
  const Json* value = find(object, key);
  if (value == nullptr) return;
  if (!value->is_number_integer() || value->get<std::int64_t>() < 1) wrong(path, key, "a positive integer");
  to = value->get<std::int64_t>();
}

void read(const Json& object, const char* key, std::string& to, const std::string& path) {
  const Json* value = find(object, key);
  if (value == nullptr) return;
  if (!value->is_string()) wrong(path, key, "a string");
  to = value->get<std::string>();
}

void read_model(const Json& object, QuantConfigKeys& keys, const std::string& path) {
  if (const Json* value = find(object, "model_id"); value != nullptr && value->is_string())
    keys.model_id = value->get<std::string>();
  read(object, "model_revision", keys.model_revision, path);
}

bool is_true(const Json& object, const char* key) {
  const Json* value = find(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

/// snapped_mode; in older files two flags.
void read_snapped(const Json& object, QuantConfigKeys& keys, const std::string& path) {
  if (const Json* value = find(object, "snapped_mode")) {
    const std::string mode = value->is_string() ? value->get<std::string>() : std::string();
    if (mode != "lut" && mode != "baked") wrong(path, "snapped_mode", "lut or baked");
    keys.snapped = mode == "lut" ? V1Snap::lut : V1Snap::baked;
  } else if (is_true(object, "snapped")) {
    keys.snapped = is_true(object, "snap_bake_scales") ? V1Snap::baked : V1Snap::lut;
  }
}

/// {"model.layers.0.mlp.up_proj": {"lut_bits": 3, "scale_rank": 16, "group_size": 32}, ...}
/// `strict`: nobody but us writes the file, so a key that is not known is a mistake.
LayerOverrides layers_of(const Json& object, const std::string& path, bool strict) {
  LayerOverrides layers;
  for (const auto& [linear, numbers] : object.items()) {
    const std::string where = path + ": " + linear;
    if (!numbers.is_object()) wrong(where, "layer_overrides", "an object for each linear");
    LayerOverride& own = layers[linear];
    read(numbers, "lut_bits", own.lut_bits, where);
    read(numbers, "scale_rank", own.scale_rank, where);
    read(numbers, "group_size", own.group_size, where);
    for (const auto& [key, value] : numbers.items()) {
      if (strict && key != "lut_bits" && key != "scale_rank" && key != "group_size")
        throw_data("layer_overrides has a key that nothing here reads: " + key, where,
                   "known are lut_bits, scale_rank and group_size");
    }
  }
  return layers;
}

}  // namespace

LayerOverrides read_layer_overrides(const std::filesystem::path& path) {
  const Json object = Json::parse(read_input_text(path, "a table of layer_overrides"), nullptr, false);
  if (!object.is_object())
    throw_data("not a JSON object", path.string(),
               R"(expected {"layer_overrides": {"LINEAR": {"lut_bits": 4}}})");
  const Json* layers = find(object, "layer_overrides");
  if (layers != nullptr && !layers->is_object()) wrong(path.string(), "layer_overrides", "an object");
  return layers_of(layers != nullptr ? *layers : object, path.string(), true);
}

QuantConfigKeys read_quant_config(const std::filesystem::path& path) {
  return parse_quant_config(read_input_text(path, "the config.json of a checkpoint"), path.string());
}

QuantConfigKeys parse_quant_config(const std::string& text, const std::string& path) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) throw_data("not a JSON object", path, "expected the config.json of a checkpoint");
  QuantConfigKeys keys;
  read_snapped(object, keys, path);
  // V1's own file: its tensors tell the numbers, which may be 0 or -1 there for "none" and "as the MLP's".
  if (find(object, "quantize_attn") != nullptr) {
    read(object, "group_size", keys.group_size, path);
    if (const Json* own = find(object, "attn_group_size"); own != nullptr && *own != 0)
      read(object, "attn_group_size", keys.attn_group_size, path);
    read_model(object, keys, path);
    return keys;
  }
  read(object, "lut_bits", keys.lut_bits, path);
  read(object, "mlp_lut_bits", keys.mlp_lut_bits, path);
  read(object, "attn_lut_bits", keys.attn_lut_bits, path);
  read(object, "scale_rank", keys.scale_rank, path);
  read(object, "mlp_scale_rank", keys.mlp_scale_rank, path);
  read(object, "attn_scale_rank", keys.attn_scale_rank, path);
  read(object, "group_size", keys.group_size, path);
  read(object, "magnitude_activation", keys.magnitude_activation, path);
  read(object, "config_preset", keys.config_preset, path);
  read_model(object, keys, path);
  if (const Json* value = find(object, "layer_overrides")) {
    if (!value->is_object()) wrong(path, "layer_overrides", "an object");
    keys.layer_overrides = layers_of(*value, path, false);
  }
  if (const Json* value = find(object, "force_positive_scales")) {
    if (!value->is_boolean()) wrong(path, "force_positive_scales", "true or false");
    keys.force_positive_scales = value->get<bool>();
  }
  return keys;
}

}  // namespace anemll
