// A Hugging Face model folder, or a GGUF file, as named tensors checked against its configuration.
#pragma once

#include "anemll/core/file.hpp"
#include "anemll/core/inventory.hpp"
#include "anemll/core/tensor.hpp"
#include "anemll/model/architecture.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemll {

struct GgufFile;

/// A model that was opened once: what it says about itself. No weight was looked at. Programs hand it on to
/// whatever reads more of the model, so that nothing is parsed twice.
struct OpenModel {
  std::filesystem::path path;            ///< folder or .gguf file
  std::shared_ptr<const GgufFile> gguf;  ///< what was parsed of such a file; null for a folder
  std::string config;                    ///< text of config.json; of a GGUF file what its metadata amounts to
  std::span<const Family> families;      ///< the table that it was read by
  Architecture architecture;
  Inventory inventory;  ///< fates of the keys
};
/// Data errors name file, key and remedy; unknown families are refused by name with the list of known ones.
OpenModel open_model(const std::filesystem::path& model, std::span<const Family> families = known_families());

struct ModelFiles {
  std::filesystem::path folder;  ///< or the .gguf file
  Architecture architecture;
  TensorMap
      tensors;  ///< F32, F16 or BF16; lm_head.weight is always present (the embedding when tied and absent)
  std::string fingerprint;  ///< of the tensors' values and of how the model computes, whatever files hold it;
                            ///< identifies the model in logs, caches and states
  std::string first_fingerprint;  ///< by the rule of earlier versions, whose caches and states hold it
  std::vector<std::shared_ptr<const MappedFile>> maps;  ///< what the tensors are views of
  Inventory inventory;  ///< files, tensors and keys that were compared or left out; for the caller to tell

  /// Lets the kernel drop resident pages of the weights; they are read again when touched. Worth calling
  /// after a pass over all weights (quantisation, conversion) that will not be repeated.
  void release_pages() const;

  /// Whether a fingerprint that a cache or state recorded is this model's, by the rule that it was made by.
  /// One of earlier versions (64 hexadecimal digits alone) does not tell the same tensors in other files.
  bool is(std::string_view recorded) const;
};

/// The weights: one safetensors file or shards (model.safetensors.index.json), or those of a .gguf file, of
/// which quantised ones become F16 in memory. Missing, misshapen or wrongly typed tensors, and values that
/// are NaN or infinite, are data errors that name file, tensor and remedy.
ModelFiles load_model_files(const OpenModel& model);
/// Opens the model for this alone.
ModelFiles load_model_files(const std::filesystem::path& model,
                            std::span<const Family> families = known_families());

/// Identifies the language-model head (lm_head.weight): SHA-256 of type, shape and bytes. Hidden states of a
/// KD cache belong to one head.
std::string head_sha256(const ModelFiles& files);

}  // namespace anemll
