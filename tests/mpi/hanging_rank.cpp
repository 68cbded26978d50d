// One way to hang, or to end a job, per mode, for hangs.sh: hanging_rank MODE RANK FOLDER. The rank does it
// in its third round.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/comm/watchdog.hpp"
#include "src/core/life_signs.hpp"

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <signal.h>

namespace {

constexpr int kRounds = 7, kRoundOfTrouble = 4;
constexpr double kLimit_s = 7;

void sleep_s(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

void trouble(const std::string& mode) {
  if (mode == "computes") sleep_s(600);
  if (mode == "stopped") ::raise(SIGSTOP);
  if (mode == "fails") anemll::throw_numerics("the loss is NaN", "step 7", "lower --lr");
  if (mode == "killed") ::raise(SIGKILL);
  if (mode == "works") {  // longer than the limit, and says so
    for (int i = 0; i < 30; ++i) {
      sleep_s(0.3);
      anemll::give_life_sign();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) {
    const auto world = mpi.world();
    if (std::string(argv[1]) == "before" && world->rank() == std::atoi(argv[2])) sleep_s(600);
    anemll::set_log_rank(world->rank(), world->size());
    anemll::Watchdog watchdog(*world, {kLimit_s, kLimit_s, kLimit_s}, argv[3]);
    watchdog.enter("rounds", anemll::WatchLimit::work);
    watchdog.guard(*world, [&](anemll::Communicator& comm) {
      for (int round = 1; round <= kRounds; ++round) {
        sleep_s(0.4);  // time for the ranks to hear of each other
        if (round == kRoundOfTrouble && comm.rank() == std::atoi(argv[2])) {
          if (std::string(argv[1]) == "leaves") return;
          trouble(argv[1]);
        }
        comm.barrier();
      }
    });
    return 0;
  });
}
