#include "src/train/internal/watch.hpp"

#include <optional>

namespace anemll {
namespace {

constexpr const char* kBetween = "between steps";

}  // namespace

WatchLimit limit_of(std::optional<RunPart> part) {
  if (!part) return WatchLimit::step;  // what takes its time is a part of its own
  switch (*part) {
    case RunPart::start:
      return WatchLimit::init;
    case RunPart::evaluation:
    case RunPart::files:
      return WatchLimit::work;
    case RunPart::data:
    case RunPart::forward:
    case RunPart::head:
    case RunPart::backward:
    case RunPart::reduction:
    case RunPart::update:
      break;
  }
  return WatchLimit::step;
}

WatchLimits watch_limits(const TrainOptions& options) {
  return {options.init_timeout, options.step_timeout, options.work_timeout};
}

std::filesystem::path dumps_folder(const TrainOptions& options) {
  return std::filesystem::path(options.output_dir) / "flight";
}

void watch(Timeline& timeline, Watchdog& watchdog) {
  timeline.on_change([&watchdog](std::optional<RunPart> part) {
    watchdog.enter(part ? name_of(*part).data() : kBetween, limit_of(part));  // the names are literals
  });
}

}  // namespace anemll
