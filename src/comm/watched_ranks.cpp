#include "src/comm/watched_ranks.hpp"

#include "src/comm/watchdog.hpp"

#include <filesystem>
#include <limits>

namespace anemll {
namespace {

constexpr double kAny = std::numeric_limits<double>::max();

}  // namespace

void add_watch_option(OptionTable& table, double* limit_s) {
  table.add("work-timeout", limit_s,
            "seconds that several ranks may be without a sign of life (a log line, progress, a word between "
            "ranks); then the job ends with code 4 and names who hangs; 0: never",
            0, kAny);
}

int run_watched(Communicator& world, double limit_s, const std::function<int(Communicator&)>& body) {
  if (world.size() == 1) return body(world);
  Watchdog watchdog(world, {limit_s, limit_s, limit_s, "--work-timeout"},
                    std::filesystem::absolute("flight"));
  watchdog.enter("work", WatchLimit::work);
  int code = 0;
  watchdog.guard(world, [&](Communicator& recorded) { code = body(recorded); });
  return code;
}

}  // namespace anemll
