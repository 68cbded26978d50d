// anemll_train: parse, start the ranks, train.
#include "anemll/comm/communicator.hpp"
#include "anemll/core/log.hpp"
#include "anemll/train/train.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/build_info.hpp"

namespace {

int train(int argc, char** argv, anemll::MpiRuntime& mpi) {
  anemll::TrainOptions options;
  anemll::OptionTable table = anemll::make_train_table(options);
  const auto world = mpi.world();
  anemll::set_log_rank(world->rank(), world->size());
  if (anemll::parse_together(table, argc, argv, *world) == anemll::OptionTable::Outcome::exit_ok) return 0;
  options.given = table.given_names();
  anemll::settle_v1_source(options);
  anemll::log_info(anemll::build_summary());
  const anemll::MpiRuntime::Host host = mpi.host();
  return static_cast<int>(anemll::run_training(options, table.json(), *world, host.rank, host.size));
}

}  // namespace

int main(int argc, char** argv) {
  return anemll::run_ranks(argc, argv, [&](anemll::MpiRuntime& mpi) { return train(argc, argv, mpi); });
}
