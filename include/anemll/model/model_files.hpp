// A Hugging Face model folder, or a GGUF file, as named tensors checked against its configuration.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/inventory.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

struct ModelFiles {
  std::filesystem::path folder;  ///< or the .gguf file
  Architecture architecture;
  TensorMap
      tensors;  ///< F32, F16 or BF16; lm_head.weight is always present (the embedding when tied and absent)
  std::string fingerprint;  ///< hex digest of config.json and, per tensor, name, type, shape and both ends;
                            ///< identifies the model in logs and checkpoints
  std::vector<std::shared_ptr<const MappedFile>> maps;  ///< what the tensors are views of
  Inventory inventory;  ///< files, tensors and keys that were compared or left out; for the caller to tell

  /// Lets the kernel drop resident pages of the weights; they are read again when touched. Worth calling
  /// after a pass over all weights (quantisation, conversion) that will not be repeated.
  void release_pages() const;
};

/// `model`: a folder with one safetensors file or shards (model.safetensors.index.json), or a .gguf file,
/// whose quantised weights become F16 in memory. Missing, misshapen or wrongly typed tensors, and values that
/// are NaN or infinite, are data errors that name file, tensor and remedy.
ModelFiles load_model_files(const std::filesystem::path& model,
                            std::span<const Family> families = known_families());

/// Identifies the language-model head (lm_head.weight): SHA-256 of type, shape and bytes. Hidden states of a
/// KD cache belong to one head.
std::string head_sha256(const ModelFiles& files);

}  // namespace anemll
