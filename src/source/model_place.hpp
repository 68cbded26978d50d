// What a name on a command line stands for where a checkpoint will do as well as plain weights.
#pragma once

#include <optional>
#include <string>

namespace anemll {

/// Both empty for an empty name.
struct ModelPlace {
  std::string checkpoint;              ///< file of a V2 or V1 checkpoint, or a packed one
  std::optional<std::string> weights;  ///< plain weights: a folder, a .gguf file or a name on the hub
};

/// A .safetensors file, and a folder with packed.safetensors, is a packed checkpoint. Another folder with
/// .safetensors files is plain weights; of another folder the checkpoint that a run or a snap
/// means by it. Errors: a folder with neither (data), one with several checkpoints (usage).
ModelPlace place_of_model(const std::string& name);

}  // namespace anemll
