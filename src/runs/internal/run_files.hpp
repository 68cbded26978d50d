// Single files of a run's folder, each as far as it can be read.
#pragma once

#include "src/runs/state_folder.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace anemll {

/// Seconds since the file was written; never below 0, since clocks of hosts differ.
std::optional<double> age_of(const std::filesystem::path& file);

/// What config.json and the newest state say about the number of steps.
std::optional<std::int64_t> max_steps_of(const std::filesystem::path& folder);

/// Who ran, and what went wrong, out of dumps and of the text of stderr.
struct Notes {
  std::optional<std::int64_t> ranks;
  std::set<std::string> hosts;
  std::vector<std::string> warnings;
};
/// `ran_on`: the host of each rank.
void add_hosts(std::span<const std::string> ran_on, Notes& notes);
/// The hosts that a state names.
void read_state(const StateFolder& state, Notes& notes);
/// FOLDER/flight/flight_*.json, which ranks write when one is lost or hangs.
void read_dumps(const std::filesystem::path& folder, Notes& notes);
/// The end of a text of stderr.
void read_stderr(const std::filesystem::path& file, Notes& notes);
/// Files that may be such texts: in the folder and next to it.
std::vector<std::filesystem::path> stderr_files(const std::filesystem::path& folder);

}  // namespace anemll
