// All states of a run (native full-state checkpoints): which there are, which is the newest and the best,
// which go. One state is one folder per step, see saved_state.hpp. It is written beside its place and
// renamed, with a manifest of sizes and SHA-256 sums. The folders that are whole decide; `latest` and `best`
// are written for people and compared.
//
//   OUTPUT/state/step_00000100/               parameters.safetensors, optimizer.safetensors, trainer.json,
//                                             manifest.json
//   OUTPUT/state/frozen-<digest>.safetensors  tensors that never change (indices, LUTs), written once
//   OUTPUT/state/latest                       name of the newest folder
//   OUTPUT/state/best                         the state of the best evaluation: step, loss, SHA-256 (JSON)
//   OUTPUT/state/abandoned-1/                 states that a run went back behind, with their logs
#pragma once

#include "anemll/core/tensor.hpp"
#include "src/train/internal/saved_state.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>

namespace anemll {

class StateStore {
 public:
  /// What a step's checkpoint holds.
  struct Content {
    std::span<const LazyTensor> parameters, optimizer;
    std::string trainer_json;
    std::int64_t best_step = 0;
    double best_loss = std::numeric_limits<double>::infinity();
  };

  explicit StateStore(const std::filesystem::path& output_dir);

  /// Whether there is a folder of a state, valid or not.
  bool has_states() const;
  /// Removes what killed writers left, and ends a killed `go_back`. Under the lock of the output folder.
  void recover();

  /// Writes the tensors that every later checkpoint refers to.
  void save_frozen(std::span<const LazyTensor> tensors);
  /// Instead of save_frozen after a resume: what `loaded` refers to is kept, or copied here when the state
  /// lies elsewhere (with its best state, as far as that is there).
  void adopt(const SavedState& loaded);
  /// Whether the state is one of this store's own.
  bool owns(const SavedState& loaded) const;

  /// Makes step `step` durable, then `best` and `latest`, then removes all states but the two newest up to it
  /// and those that are somebody's best. The previous checkpoint stays valid until the new one is. A best
  /// step must be this step or one that the store holds. Saved again without a step between, only the few
  /// numbers are written. Data errors (disk full), and a numerics error that names the first tensor with a
  /// value that is not finite, leave everything as it was.
  void save(std::int64_t step, const Content& content);

  /// The parameters of the best state, checked; nothing (and why, as a warning) when it is gone or damaged.
  std::optional<TensorMap> best_parameters(const BestState& best) const;
  /// Records that `file` (best_state_dict.pt) was written from the best of the state last saved or adopted.
  void record_best_file(const std::filesystem::path& file);
  /// The step that `best` names.
  std::optional<std::int64_t> named_best() const;
  struct Difference {
    std::string why;
    bool someone_elses = false;  ///< the file is there and is not this run's last one
  };
  /// How `file` differs from what record_best_file saw of this best; nothing when it does not.
  std::optional<Difference> compare_best_file(const BestState& best, const std::filesystem::path& file) const;

  /// Moves states of later steps than `step` (-1: all) into state/abandoned-<n>, where they can be resumed by
  /// name: a run that goes back must not be resumed from another future. `also` may put more into the folder
  /// first. Returns it; nothing when there are none. A killed move is ended by `recover`.
  std::optional<std::filesystem::path> go_back(std::int64_t step,
                                               const std::function<void(const std::filesystem::path&)>& also);

  /// The newest checkpoint whose manifest holds; warnings for each one passed over and for a `latest` that
  /// says otherwise. Nothing when there is no checkpoint; a data error when there are some and none is valid,
  /// or when `latest` names one and there is none.
  std::optional<SavedState> load_latest() const;
  /// One checkpoint folder, or the newest of an output, state/ or abandoned-<n> folder. Throws a data error
  /// when it is damaged.
  static SavedState load(const std::filesystem::path& folder);

 private:
  void write_best(const std::optional<BestState>& best) const;
  void prune(std::int64_t step) const;
  std::filesystem::path root_;  // OUTPUT/state
  std::string frozen_entry_;    // manifest entry (JSON): name, bytes, sha256
  std::int64_t saved_step_ = -1;
};

}  // namespace anemll
