// The files of a run under the reference's names: best_state_dict.pt, checkpoint_step{n}.pt, the final
// checkpoints and config.json. Rank 0 only.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/student/student.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace anemll {

/// What config.json records as the run's source: a file, "scratch" or "resumed". `earlier`: the folder into
/// which results of an earlier run moved; a source whose name the new run takes is found there.
std::string source_of(const TrainOptions& options, const std::optional<std::filesystem::path>& earlier);

class OutputFiles {
 public:
  OutputFiles(const TrainOptions& options, std::string source_checkpoint);

  /// v2_scratch_initial.pt, or v2_initial.pt of a converted V1 checkpoint, and, sharing its bytes,
  /// best_state_dict.pt; only the latter of a run that starts from a V2 checkpoint or trains V1.
  void write_start(const Student& student);
  /// For a run that goes on at step 0: writes that file where a kill came between the state and it.
  /// `options_json`: the options that the run began with.
  void mend_start(const Student& student, const std::string& options_json);
  void write_best(const Student& student);
  /// The file `name` in the folder holds the best weights too: best_state_dict.pt shares its bytes where the
  /// file system can, else it is written.
  void share_best(const std::string& name, const Student& student);
  std::filesystem::path best() const;
  /// checkpoint_step{n}.pt, whose name it returns; removes those of the lowest steps beyond
  /// --keep-checkpoints, but never the run's source.
  std::string write_periodic(const Student& student, std::int64_t step);
  /// Moves checkpoint_step{n}.pt with n > `step` into the folder `to`.
  void move_later(std::int64_t step, const std::filesystem::path& to) const;
  /// v2_{preset}_{dtype}_{time}.pt and v2_{preset}_fp16_{time}.pt: the last weights; of V1
  /// model_state_dict.pt and indices.pt. Returns the two names.
  std::pair<std::string, std::string> write_final(const Student& student);
  /// `final_loss` absent: null.
  void write_config(const Student& student, std::optional<double> final_loss);

 private:
  const TrainOptions& options_;
  std::filesystem::path folder_;
  std::string source_;
  bool wrote_final_ = false;
};

}  // namespace anemll
