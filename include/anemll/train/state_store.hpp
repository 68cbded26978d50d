// Native full-state checkpoints: what a run needs to go on as if it had never stopped. One folder per step,
// written beside its place and renamed, with a manifest of sizes and SHA-256 sums, then `latest`.
//
//   OUTPUT/state/latest                     name of the newest complete folder
//   OUTPUT/state/frozen-<digest>.safetensors  tensors that never change (indices, LUTs), written once
//   OUTPUT/state/step_00000100/             parameters.safetensors, optimizer.safetensors, trainer.json,
//   manifest.json
#pragma once

#include "anemll/core/tensor.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace anemll {

class StateStore {
 public:
  struct Loaded {
    std::int64_t step = 0;
    std::filesystem::path folder;
    TensorMap parameters, optimizer, frozen;
    std::string trainer_json;
    std::string frozen_entry;  ///< the manifest's words about the frozen file
  };

  explicit StateStore(std::filesystem::path output_dir);

  /// Writes the tensors that every later checkpoint refers to.
  void save_frozen(std::span<const LazyTensor> tensors);
  /// Instead of save_frozen after a resume: keeps the frozen file of `loaded` if it lies in this store. False
  /// if not.
  bool adopt_frozen(const Loaded& loaded);
  /// Makes step `step` durable, then moves `latest` to it, then removes all but the two newest up to it. The
  /// previous checkpoint stays valid until the new one is. Data errors (disk full) leave everything as it
  /// was.
  void save(std::int64_t step, std::span<const LazyTensor> parameters, std::span<const LazyTensor> optimizer,
            const std::string& trainer_json);

  /// Moves checkpoints of later steps than `step` (-1: all) into state/abandoned-<n>, and `latest` with them
  /// if it named one: a run that starts anew or goes back must not be resumed from another's future.
  void abandon_after(std::int64_t step);

  /// The checkpoint `latest` names, or, with a warning for each one passed over, the newest older one whose
  /// manifest holds. Nothing when there is no checkpoint and no `latest`; a data error when there should be
  /// one and none is valid.
  std::optional<Loaded> load_latest() const;
  /// One checkpoint folder (or an output folder: its latest). Throws a data error when it is damaged.
  static Loaded load(const std::filesystem::path& folder);

 private:
  std::filesystem::path root_;  // OUTPUT/state
  std::string frozen_entry_;    // manifest entry (JSON): name, bytes, sha256
};

}  // namespace anemll
