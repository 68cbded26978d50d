// What the watchdog is told of a run, and what its options ask of it.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/comm/watchdog.hpp"
#include "src/train/internal/timeline.hpp"

#include <filesystem>
#include <optional>

namespace anemll {

WatchLimits watch_limits(const TrainOptions& options);
/// Where dumps of a run go.
std::filesystem::path dumps_folder(const TrainOptions& options);

/// How long a rank may be in this part of a run, or in none of them: between steps, and between parts of one.
WatchLimit limit_of(std::optional<RunPart> part);

/// From now on the parts of the timeline are the watchdog's phases.
void watch(Timeline& timeline, Watchdog& watchdog);

}  // namespace anemll
