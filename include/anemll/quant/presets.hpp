// Which table and rank each kind of linear gets, and how that is found out: from the tensors of a checkpoint
// first, then from the numbers in its config.json, from a preset's name last. Names alone are not trusted:
// tools that share a name disagree about its numbers.
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct QuantScheme {
  std::int64_t mlp_lut = 4;
  std::int64_t mlp_rank = 32;
  std::int64_t attn_lut = 16;
  std::int64_t attn_rank = 8;

  bool operator==(const QuantScheme&) const = default;
  /// "MLP 4 entries rank 32, attention 16 entries rank 8"
  std::string describe() const;
};

struct QuantPreset {
  std::string_view name;
  QuantScheme scheme;
};
std::span<const QuantPreset> quant_presets();
/// Usage error listing the names when there is no such preset.
QuantScheme preset_scheme(std::string_view name);
/// The preset with these numbers, or empty.
std::string preset_name(const QuantScheme& scheme);

/// --mlp-lut, --mlp-rank, --attn-lut, --attn-rank.
struct SchemeOverrides {
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
};

/// What a checkpoint's config.json says about quantisation; every key is optional.
struct QuantConfigKeys {
  std::optional<std::int64_t> lut_bits, mlp_lut_bits, attn_lut_bits;
  std::optional<std::int64_t> scale_rank, mlp_scale_rank, attn_scale_rank;
  std::optional<std::int64_t> group_size;
  std::optional<bool> force_positive_scales;
  std::string magnitude_activation;  ///< empty when absent
  std::string config_preset;         ///< empty when absent or null
};
/// Data error when the file is not a JSON object or a key has the wrong type.
QuantConfigKeys read_quant_config(const std::filesystem::path& path);

/// The scheme of the V2 layers in a state dict; nothing if there are none. A part without layers (an MLP-only
/// checkpoint) is left to the caller's default.
struct DetectedScheme {
  std::optional<std::int64_t> mlp_lut, mlp_rank, attn_lut, attn_rank;
  bool complete() const { return mlp_lut && mlp_rank && attn_lut && attn_rank; }
};
DetectedScheme detect_scheme(const TensorMap& state, const std::string& file);

struct SchemeRequest {
  const TensorMap* checkpoint = nullptr;  ///< reference state dict, if training starts from one
  std::string checkpoint_file;            ///< for messages
  const QuantConfigKeys* keys = nullptr;  ///< config.json beside it
  std::string preset;                     ///< --config, or empty
  SchemeOverrides overrides;
};
struct ResolvedScheme {
  QuantScheme scheme;
  std::string source;                 ///< "tensor shapes of best.pt", "config.json", "preset q2a4"
  std::vector<std::string> warnings;  ///< a preset name that the tensors contradict
};
/// Shapes, numeric keys, --config, config_preset, q2a4: the first that knows each number. Overrides replace
/// everything but shapes, which they may not contradict (usage error).
ResolvedScheme resolve_scheme(const SchemeRequest& request);

}  // namespace anemll
