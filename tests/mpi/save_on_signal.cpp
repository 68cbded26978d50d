// Stands in for the trainer in signals.sh: works until a signal reaches any rank, then saves for `seconds`
// and leaves by exit 75.   usage: mpi_save_on_signal FOLDER SECONDS
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log.hpp"
#include "src/core/signals.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) {
    const auto world = mpi.world();
    anemll::set_log_rank(world->rank(), world->size());
    const std::string folder = argv[1];
    const std::string rank = std::to_string(world->rank());
    std::ofstream(folder + "/running." + rank) << "yes\n";
    world->barrier();
    if (world->is_root()) std::ofstream(folder + "/ready") << "yes\n";
    while (!anemll::any_rank(*world, anemll::pending_signal() != 0)) std::this_thread::sleep_for(5ms);
    std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(argv[2])));
    std::ofstream(folder + "/saved." + rank) << anemll::pending_signal() << '\n';
    return static_cast<int>(anemll::ExitCode::save_and_requeue);
  });
}
