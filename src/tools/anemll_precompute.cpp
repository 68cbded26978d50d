// anemll_precompute: parse, start the ranks, run the teacher.
#include "anemll/core/log.hpp"
#include "anemll/teacher/precompute.hpp"
#include "src/comm/agreement.hpp"
#include "src/comm/watched_ranks.hpp"
#include "src/core/build_info.hpp"
#include "src/core/option_effects.hpp"
#include "src/teacher/precompute_effects.hpp"

namespace {

int precompute(int argc, char** argv, anemll::MpiRuntime& mpi) {
  anemll::PrecomputeOptions options;
  anemll::OptionTable table = anemll::make_precompute_table(options);
  const auto world = mpi.world();
  anemll::set_log_rank(world->rank(), world->size());
  if (anemll::parse_together(table, argc, argv, *world) == anemll::OptionTable::Outcome::exit_ok) return 0;
  anemll::settle_precompute_options(options, table);
  anemll::log_info(anemll::build_summary());
  if (world->is_root()) anemll::tell_unread(anemll::unread_precompute_options(options, table));
  const anemll::MpiRuntime::Host host = mpi.host();
  return anemll::run_watched(*world, options.work_timeout, [&](anemll::Communicator& comm) {
    return static_cast<int>(anemll::run_precompute(options, comm, host.rank, host.size));
  });
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) { return precompute(argc, argv, mpi); });
}
