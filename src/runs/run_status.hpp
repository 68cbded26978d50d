// How a run goes, by its files alone: the logs, config.json, the states, dumps of its ranks, the text that it
// wrote to stderr where somebody kept that. A look reads and changes nothing, takes no lock, and asks no
// process.
#pragma once

#include "src/runs/run_record.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anemll {

enum class Liveness {
  waiting,  ///< no row yet
  running,  ///< a process of this host holds the folder, or there was a sign of life lately
  silent,   ///< no sign of life for much longer than rows take: stopped, lost, or it hangs
  stopped,  ///< it left before its end and said so: RunRecord::stop
  over,     ///< its closing figures are written
};

/// Whether nothing more comes of the process that was at work.
constexpr bool has_ended(Liveness liveness) {
  return liveness == Liveness::stopped || liveness == Liveness::over;
}

struct RunStatus {
  std::optional<RunRecord> record;  ///< nothing where there is no log yet
  bool has_folder = true;
  Liveness liveness = Liveness::waiting;
  std::optional<int> process;     ///< of this host, that holds the folder
  std::optional<double> quiet_s;  ///< since the youngest file of the run was written

  std::int64_t step = 0;
  std::optional<std::int64_t> max_steps;
  std::optional<double> elapsed_s;         ///< as the run counts, at its last row
  std::optional<double> seconds_per_step;  ///< over the last rows, evaluations and files included
  std::optional<double> seconds_per_row;
  std::optional<double> eta_s;
  std::optional<double> tokens_per_s;
  struct Wait {
    double data_s = 0;
    double of_s = 0;  ///< between the last two rows
  };
  std::optional<Wait> data_wait;

  struct Best {
    std::string metric;
    SeriesPoint point;
  };
  std::optional<Best> best;  ///< evaluation
  struct State {
    std::int64_t step = 0;
    double age_s = 0;
  };
  std::optional<State> state;  ///< the newest

  std::optional<std::int64_t> ranks;
  std::vector<std::string> hosts;     ///< those that its files name
  std::vector<std::string> warnings;  ///< the last ones, the youngest at the end
};

/// `logs`: files with the text of stderr, beside those that are found in the folder (*.log, *.err, *.out) and
/// next to it (FOLDER.log). What cannot be read is a warning of the status, never an error: the next look may
/// do.
RunStatus look_at_run(const std::filesystem::path& folder, std::span<const std::filesystem::path> logs);

}  // namespace anemll
