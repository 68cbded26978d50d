#include "anemll/train/train.hpp"

#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/core/build_info.hpp"
#include "src/core/signals.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/input_agreement.hpp"
#include "src/train/internal/machine_choices.hpp"
#include "src/train/internal/run.hpp"
#include "src/train/internal/untrained.hpp"

#include <memory>
#include <string>
#include <utility>

namespace anemll {

ExitCode run_training(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                      int local_rank, int local_ranks) {
  check_train_options(options);
  const at::Device device = choose_device(options, local_rank, comm.size());
  const at::ScalarType compute = choose_compute(options, device);
  compare_hosts(device, compute, comm);
  const int threads = set_threads(options, local_ranks);
  std::unique_ptr<Communicator> gpu;
  if (device.is_cuda() && comm.size() > 1) gpu = make_nccl_communicator(comm, device.index());
  Communicator& device_comm = gpu ? *gpu : comm;

  const StopPlan plan("leaving, there is nothing to save yet, then exit code 75");
  if (trains_nothing(options)) {
    write_untrained(options, device, comm);
    return ExitCode::done;
  }
  log_info(strf("%d rank%s (%s), %d thread%s each, %s, %s GEMMs", comm.size(), comm.size() == 1 ? "" : "s",
                std::string(device_comm.backend()).c_str(), threads, threads == 1 ? "" : "s",
                device.str().c_str(), compute == at::kBFloat16 ? "bf16" : "fp32"));
  Assembly assembly = assemble(options, resolved_json, {comm, device_comm, device, compute, local_ranks});
  if (!assembly.student) return ExitCode::done;  // a dry run from scratch makes none
  Run run(std::move(assembly));
  return options.dry_run ? ExitCode::done : run.live();
}

int train_program(int argc, char** argv, MpiRuntime& mpi, TrainOptions options,
                  OptionTable (*make_table)(TrainOptions&)) {
  OptionTable table = make_table(options);
  const auto world = mpi.world();
  set_log_rank(world->rank(), world->size());
  if (parse_together(table, argc, argv, *world) == OptionTable::Outcome::exit_ok) return 0;
  options.given = table.given_names();
  settle_v1_source(options);
  settle_text(options);
  log_info(build_summary());
  const MpiRuntime::Host host = mpi.host();
  return static_cast<int>(run_training(options, table.json(), *world, host.rank, host.size));
}

}  // namespace anemll
