// What a run tells of its training steps: figures over the window since the last line.
#pragma once

#include "anemll/data/kd_cache.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/metrics_sink.hpp"
#include "src/train/internal/run_numbers.hpp"
#include "src/train/internal/stepper.hpp"

#include <cstdint>
#include <optional>

namespace anemll {

/// Supervised positions per input token of a row without masked tokens.
double positions_per_token(const KdCacheInfo& cache);

class Reporter {
 public:
  /// `run` must outlive it; `step`: of the last line that was written.
  Reporter(const Assembly& run, std::int64_t step) : run_(run), step_(step) {}

  void observe(const StepReport& report);
  /// Closes the window; in `numbers` too. Nothing to tell when none of its steps counted.
  std::optional<TrainRecord> close(RunNumbers& numbers);

 private:
  const Assembly& run_;
  StepReport last_;
  KdLossSums last_loss_;   ///< of the last step that had a finite one
  double supervised_ = 0;  ///< positions over all ranks since the last line
  double stepping_s_ = 0;  ///< inside steps since then, without evaluations and files
  double waited_s_ = 0;    ///< for data, up to the last line
  std::int64_t step_;
};

}  // namespace anemll
