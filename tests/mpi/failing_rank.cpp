// One way to fail per mode, for failures.sh. The other ranks wait in a barrier that never completes.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/error.hpp"
#include "anemll/core/log_sink.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

namespace {

void fail(anemll::Communicator& world, const std::string& mode) {
  const bool last = world.rank() == world.size() - 1;
  if (mode == "all") anemll::throw_usage("no such flag", "--nonsense", "see --help");
  if (mode == "root")
    anemll::on_root(world, [] { anemll::throw_data("truncated", "model.safetensors", "fetch it again"); });
  if (last && mode == "one") anemll::throw_numerics("the loss is NaN", "step 7", "lower --lr");
  if (last && mode == "foreign") throw std::logic_error("a bug");
  if (last && mode == "abort") {
    std::fputs("last words\n", stdout);  // abort() must flush them; Open MPI's own message is sometimes lost
    world.abort(42);
  }
  if (last && mode == "killed") std::raise(SIGKILL);
  if (last && mode == "segv") {
    std::signal(SIGSEGV, SIG_DFL);  // of a build with a sanitizer, which would leave with 1 instead
    std::raise(SIGSEGV);
  }
  if (last && mode == "aborted") std::abort();
  if (last && mode == "silent") std::_Exit(1);
  world.barrier();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argv[1];
  anemll::log_to_stderr();
  if (mode == "destructor") {
    // A main that does without run_ranks: the destructor must not leave the others waiting.
    try {
      anemll::MpiRuntime mpi(&argc, &argv);
      const auto world = mpi.world();
      fail(*world, "one");
    } catch (const anemll::Error& error) {
      std::cerr << error.what() << '\n';
      return static_cast<int>(error.code());
    }
    return 0;
  }
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) {
    const auto world = mpi.world();
    fail(*world, mode);
    return 0;
  });
}
