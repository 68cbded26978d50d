// anemll_precompute: parse, start the ranks, run the teacher.
#include "anemll/core/log.hpp"
#include "anemll/teacher/precompute.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/build_info.hpp"
#include "src/core/option_effects.hpp"
#include "src/core/tool.hpp"
#include "src/teacher/precompute_effects.hpp"

int main(int argc, char** argv) {
  using namespace anemll;
  PrecomputeOptions options;
  OptionTable table = make_precompute_table(options);
  return run_watched(
      argc, argv, table, options.work_timeout,
      [&](bool is_root) {
        settle_precompute_options(options, table);
        log_info(build_summary());
        if (is_root) tell_unread(unread_precompute_options(options, table));
      },
      [&](Communicator& comm, MpiRuntime::Host host) {
        if (options.inspect) {
          on_root(comm, [&] { inspect_precompute(options, print_result); });
          return 0;
        }
        return static_cast<int>(run_precompute(options, comm, host.rank, host.size));
      });
}
