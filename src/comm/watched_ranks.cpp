#include "src/comm/watched_ranks.hpp"

#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/comm/watchdog.hpp"

#include <filesystem>
#include <limits>

namespace anemll {
namespace {

constexpr double kAny = std::numeric_limits<double>::max();

int watched(Communicator& world, double limit_s, const std::function<int(Communicator&)>& body) {
  if (world.size() == 1) return body(world);
  Watchdog watchdog(world, {limit_s, limit_s, limit_s, "--work-timeout"},
                    std::filesystem::absolute("flight"));
  watchdog.enter("work", WatchLimit::work);
  int code = 0;
  watchdog.guard(world, [&](Communicator& recorded) { code = body(recorded); });
  return code;
}

}  // namespace

void add_watch_option(OptionTable& table, double* limit_s) {
  table.add("work-timeout", limit_s,
            "seconds that several ranks may be without a sign of life (a log line, progress, a word between "
            "ranks); then the job ends with code 4 and names who hangs; 0: never",
            0, kAny);
}

int run_watched(int argc, char** argv, OptionTable& table, const double& limit_s,
                const std::function<void(bool is_root)>& check,
                const std::function<int(Communicator&, MpiRuntime::Host)>& work) {
  return run_ranks(argc, argv, [&](MpiRuntime& mpi) {
    const auto world = mpi.world();
    set_log_rank(world->rank(), world->size());
    if (parse_together(table, argc, argv, *world) == OptionTable::Outcome::exit_ok) return 0;
    check(world->is_root());
    const MpiRuntime::Host host = mpi.host();
    return watched(*world, limit_s, [&](Communicator& comm) { return work(comm, host); });
  });
}

}  // namespace anemll
