// A V2 checkpoint that was opened once: its tensors and the config.json beside it; and the quantisation that
// these and a user's wishes amount to.
#pragma once

#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"
#include "anemll/quant/presets.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace anemll {

struct V2Checkpoint {
  std::string file;
  TensorMap tensors;  ///< views of the file; of a packed one unpacked, as a snapped checkpoint has them
  /// config.json beside it, else v2_config.json; empty when there is none. A packed file holds its own.
  std::filesystem::path config;
  QuantConfigKeys keys;  ///< what that says of this file
};
/// A .pt file, or a packed one (.safetensors).
V2Checkpoint open_v2_checkpoint(const std::filesystem::path& file);
/// The file that a name of a V1 checkpoint means: itself, or of a folder model_state_dict.pt, else
/// best_state_dict.pt. Data error for a folder without them.
std::filesystem::path v1_file(const std::filesystem::path& file_or_folder);
/// Data error for a checkpoint with adapters: no program here has a place for them.
void refuse_adapters(const V2Checkpoint& checkpoint);
/// The file whose quantisation keys count for a checkpoint: config.json beside it, else v2_config.json, else
/// an empty path.
std::filesystem::path config_beside(const std::filesystem::path& checkpoint);

/// What a user asks of the quantisation.
struct QuantWishes {
  std::string preset;  ///< --config, or empty
  SchemeOverrides overrides;
  SchemeFlags flags;
  LayerOverrides layers = {};    ///< of --layer-overrides
  std::string layers_file = {};  ///< for messages
  std::int64_t group_size = 32;
  bool group_size_given = false;  ///< somebody asked for it: a checkpoint must not differ
  bool positive_scales = false;   ///< LinearQuant::force_positive_scales of every linear
};

/// Of the checkpoint. Usage errors where a wish contradicts it; data errors for magnitudes that cannot be
/// trained and for tensors that are missing or misshapen.
ResolvedQuant checkpoint_quant(const V2Checkpoint& checkpoint, const Architecture& architecture,
                               const QuantWishes& wishes);

/// Of a start from the model's own weights.
ResolvedQuant scratch_quant(const Architecture& architecture, const QuantWishes& wishes);

}  // namespace anemll
