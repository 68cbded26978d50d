// Which table and rank each kind of linear gets, and how that is found out: from the tensors of a checkpoint
// first, then from the numbers in its config.json, from a preset's name last. Names alone are not trusted:
// tools that share a name disagree about its numbers.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/quant/quant_spec.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

/// The name of no preset: it has no numbers of its own, all four must be given.
inline constexpr std::string_view kCustomPreset = "custom";
/// "q2a4, q4a4, ..., custom" for help texts.
std::string preset_words();
/// Usage error listing the names when there is no such preset, or it is kCustomPreset.
QuantScheme preset_scheme(std::string_view name);
/// The preset with these numbers, or empty.
std::string preset_name(const QuantSpec& spec);
/// Whether all linears have the preset's numbers. Usage error as of preset_scheme.
bool fits_preset(const QuantSpec& spec, std::string_view name);

/// The values of the four flags.
struct SchemeOverrides {
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
};
/// What the program calls them, for messages.
struct SchemeFlags {
  const char* mlp_lut = "--mlp-lut";
  const char* mlp_rank = "--mlp-rank";
  const char* attn_lut = "--attn-lut";
  const char* attn_rank = "--attn-rank";
  /// "--mlp-lut, --mlp-rank, --attn-lut and --attn-rank"
  std::string all() const;
};

/// What is said of one linear; what is not said is as for the others of its kind.
struct LayerOverride {
  std::optional<std::int64_t> lut_bits, scale_rank, group_size;
  bool operator==(const LayerOverride&) const = default;
};
/// By the linear's name.
using LayerOverrides = std::map<std::string, LayerOverride>;
/// The "layer_overrides" of a JSON file; of an object without that key the object itself. Data errors name
/// the file, the linear and the key.
LayerOverrides read_layer_overrides(const std::filesystem::path& path);

/// What a checkpoint's config.json says about its quantisation and its model; every key is optional.
struct QuantConfigKeys {
  std::optional<std::int64_t> lut_bits, mlp_lut_bits, attn_lut_bits;
  std::optional<std::int64_t> scale_rank, mlp_scale_rank, attn_scale_rank;
  std::optional<std::int64_t> group_size;
  std::optional<std::int64_t> attn_group_size;  ///< of V1 files; absent: the same as group_size
  std::optional<bool> force_positive_scales;
  LayerOverrides layer_overrides;
  std::string magnitude_activation;  ///< empty when absent
  V1Snap snapped = V1Snap::none;     ///< of V1 files: snapped_mode, or snapped with snap_bake_scales
  std::string config_preset;         ///< empty when absent or null
  std::string model_id;              ///< as recorded: see src/hub/recorded_id.hpp; empty when absent
  std::string model_revision;        ///< of model_id on the hub; empty when absent, for the default branch
};
/// Data error when the file is not a JSON object or a key has the wrong type.
QuantConfigKeys read_quant_config(const std::filesystem::path& path);
/// The same of its text; `where` names it in errors.
QuantConfigKeys parse_quant_config(const std::string& text, const std::string& where);

/// What is known about the quantisation of a model's linears.
struct QuantRequest {
  std::span<const LinearSpec> linears;    ///< of the model's body (body_linears)
  const TensorMap* checkpoint = nullptr;  ///< reference state dict, if training starts from one
  std::string checkpoint_file;            ///< for messages
  const QuantConfigKeys* keys = nullptr;  ///< config.json beside it
  std::string preset;                     ///< --config, or empty
  SchemeOverrides overrides;
  SchemeFlags flags;
  LayerOverrides layers = {};    ///< --layer-overrides: before the flags, linear by linear
  std::string layers_file = {};  ///< for messages
  std::int64_t group_size = 32;  ///< --group-size, which the keys of a checkpoint overrule
};
struct ResolvedQuant {
  QuantSpec spec;
  /// "tensor shapes of best.pt", "config.json" or "preset q2a4"; "tensor shapes of best.pt, else preset q2a4"
  /// where the checkpoint has one kind of linears only.
  std::string source;
  std::vector<std::string> warnings;  ///< one line where a preset's name or config.json says otherwise
};
/// Shapes, keys (layer_overrides first), --config, config_preset, q2a4: the first that knows each number,
/// linear by linear. Overrides replace everything but shapes, which they may not contradict (usage error). A
/// data error names a checkpoint's tensor that is missing or misshapen.
ResolvedQuant resolve_quant(const QuantRequest& request);

}  // namespace anemll
