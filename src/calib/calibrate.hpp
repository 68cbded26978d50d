// What anemll_calibrate does: the moments of every linear of a model over a text, block by block. Any number
// of ranks, resumable after each block, and the same file to the bit whoever made it.
#pragma once

#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/options.hpp"
#include "src/calib/calibration_text.hpp"
#include "src/calib/moments_file.hpp"
#include "src/core/option_effects.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anemll {

struct CalibrateOptions {
  std::string model_id;
  std::string model_revision = "main";
  std::optional<std::string> hub_cache;
  std::int64_t seed = 0;  ///< of the order of the documents and of the hold-out
  CalibrationTextOptions text;
  TokenWeight token_weight = TokenWeight::norm;
  bool full = false;
  std::string output;
  std::string work_dir = ".";
  bool resume = false;
  bool overwrite = false;
  std::vector<std::string> combine;  ///< files to put together instead
  std::optional<std::string> show;   ///< a file to tell of instead
  std::int64_t threads = 0;
  double work_timeout = 1800;

  bool reads_text() const { return combine.empty() && !show; }
};

OptionTable make_calibrate_table(CalibrateOptions& options);
/// Usage errors for what cannot be meant together, and for what is missing.
void check_calibrate_options(const CalibrateOptions& options);
std::vector<OptionEffect<CalibrateOptions>> calibrate_option_effects();

/// The whole run; every rank calls it. Returns save_and_requeue when a signal ended it early with its work
/// kept.
ExitCode run_calibrate(const CalibrateOptions& options, Communicator& comm, int local_rank, int local_size);

/// A line for each input: trace, and what the largest token holds of it before and after its weight.
std::string moments_report(const MomentsFile& file);

}  // namespace anemll
