// What a run does to its output folder: logs, states, best weights, its last files. States come before the
// large copies for other tools, so that a full disk costs no step. Rank 0 writes; the functions are
// collective.
#pragma once

#include "anemll/core/error.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/optimizer.hpp"
#include "src/train/internal/optimizer_share.hpp"
#include "src/train/internal/output_files.hpp"
#include "src/train/internal/run_log.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/state_store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

/// What the end of a run says beside its state.
struct RunEnd {
  bool evaluated = false;
  std::uint64_t peak_resident_bytes = 0;
  std::int64_t unsupervised_steps = 0;
  std::optional<double> text_kl;  ///< of the final evaluation
  std::string ended_by;           ///< the option that ended it before its last step
};

class RunFolder {
 public:
  /// All of them must outlive it. Collective.
  RunFolder(Assembly& run, AdamW& optimizer, const OptimizerShare& share);

  /// A run that starts: what an earlier one left steps aside. `first`: its evaluation, absent where none is
  /// made.
  void start(RunNumbers& numbers, const std::optional<EvaluationResult>& first,
             const std::vector<SampleAnswer>& samples);
  /// A run that goes on from `saved`: later states and logs step aside, the best is compared with its file
  /// and mended.
  void go_on(RunNumbers& numbers, const SavedState& saved);

  /// Behind go_on, where there is something left to train: the logs say who does it.
  void tell_start();

  void save(RunNumbers& numbers);
  /// The same, and best_state_dict.pt of the present weights.
  void save_best(RunNumbers& numbers);
  /// The same, and checkpoint_step{n}.pt. It is the best where nothing else says so.
  void save_periodic(RunNumbers& numbers);
  /// The last files and the closing figures.
  void finish(RunNumbers& numbers, const RunEnd& end);
  /// The last files of a complete V1 run again, when it is asked for a snap that they do not have.
  void snap_late(const RunNumbers& numbers, bool evaluated);

  /// The last that the logs tell, behind all other lines of the run.
  void end(const EndRecord& record);

  /// Rank 0's; null elsewhere.
  RunLog* log() { return log_.get(); }

 private:
  void set_up_start(const RunNumbers& numbers, const std::optional<EvaluationResult>& first,
                    const std::vector<SampleAnswer>& samples);
  void set_up_going_on(RunNumbers& numbers, const SavedState& saved);
  /// Logs of the run, those for trackers of experiments among them.
  void open_log(const std::optional<SavedLog>& saved, std::int64_t step);
  void mend_best(RunNumbers& numbers, const SavedState& saved);
  /// best_state_dict.pt of the present weights, or of the file that holds them, and the record of it.
  void write_best();
  void share_best(const std::string& name);
  std::string summary(const RunNumbers& numbers, const RunEnd& end, const std::string& full,
                      const std::string& half) const;

  Assembly& run_;
  AdamW& optimizer_;
  const OptimizerShare& share_;
  StateStore store_;
  std::vector<std::string> hosts_;  // of each rank
  std::unique_ptr<RunLog> log_;
  std::unique_ptr<OutputFiles> files_;
};

}  // namespace anemll
