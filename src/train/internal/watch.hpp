// What the watchdog is told of a run, and what its options ask of it.
#pragma once

#include "anemll/train/train_options.hpp"
#include "src/comm/watchdog.hpp"
#include "src/train/internal/timeline.hpp"

#include <filesystem>

namespace anemll {

WatchLimits watch_limits(const TrainOptions& options);
/// Where dumps of a run go.
std::filesystem::path dumps_folder(const TrainOptions& options);

/// From now on the parts of the timeline are the watchdog's phases.
void watch(Timeline& timeline, Watchdog& watchdog);

}  // namespace anemll
