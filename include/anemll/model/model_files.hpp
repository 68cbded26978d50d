// A Hugging Face model folder as named, memory-mapped tensors checked against its config.json.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anemll {

struct ModelFiles {
  std::filesystem::path folder;
  Architecture architecture;
  TensorMap
      tensors;  ///< F32, F16 or BF16; lm_head.weight is always present (the embedding when tied and absent)
  std::string fingerprint;  ///< hex digest of config.json and, per tensor, name, type, shape and both ends;
                            ///< identifies the model in logs and checkpoints
  std::vector<std::shared_ptr<const MappedFile>> maps;  ///< what the tensors are views of

  /// Lets the kernel drop resident pages of the weights; they are read again when touched. Worth calling
  /// after a pass over all weights (quantisation, conversion) that will not be repeated.
  void release_pages() const;
};

/// Single file or sharded (model.safetensors.index.json). Missing, extra-shaped or wrongly typed tensors are
/// data errors that name file, tensor and remedy.
ModelFiles load_model_files(const std::filesystem::path& folder);

/// `model_id` as given on a command line: a folder, or org/name in the local hub cache (HF_HUB_CACHE,
/// HF_HOME, ...), looked up without network. A data error lists where it looked.
std::filesystem::path resolve_model(const std::string& model_id);

}  // namespace anemll
