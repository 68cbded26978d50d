#include "anemll/train/train.hpp"

#include "anemll/core/log.hpp"
#include "src/comm/agreement.hpp"
#include "src/comm/nccl_communicator.hpp"
#include "src/comm/watchdog.hpp"
#include "src/core/build_info.hpp"
#include "src/core/platform.hpp"
#include "src/core/signals.hpp"
#include "src/train/internal/assembly.hpp"
#include "src/train/internal/input_agreement.hpp"
#include "src/train/internal/machine_choices.hpp"
#include "src/train/internal/reduction_backend.hpp"
#include "src/train/internal/run.hpp"
#include "src/train/internal/untrained.hpp"
#include "src/train/internal/watch.hpp"
#include "src/train/train_model.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace anemll {

namespace {

std::filesystem::path stage_folder(const TrainOptions& options) {
  if (options.stage_dir) return *options.stage_dir;
  return std::filesystem::temp_directory_path() / ("anemll_stage_" + std::to_string(::getuid()));
}

/// What sums gradients where that is not the ranks' own communicator: theirs is the base of it.
struct ReductionComm {
  std::unique_ptr<Communicator> base;
  std::unique_ptr<Communicator> recorded;
};

ReductionComm make_reduction_comm(Communicator& comm, at::Device device, BackendChoice backend,
                                  const NcclLimits& limits, Watchdog& watchdog) {
  if (device.is_cpu() || comm.size() == 1) return {};
  // Sums by way of the host are recorded by `comm` itself.
  if (backend == BackendChoice::mpi) return {nullptr, make_staged_communicator(comm, device)};
  auto nccl = make_nccl_communicator(comm, device.index(), limits);
  auto recorded = watchdog.record(*nccl);
  return {std::move(nccl), std::move(recorded)};
}

TrainedRun outcome_of(ExitCode code, const RunNumbers& numbers) {
  return {code,
          numbers.step,
          numbers.best_step,
          numbers.initial_loss,
          numbers.last_eval,
          numbers.best_loss,
          numbers.elapsed_s};
}

TrainedRun train_watched(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                         int local_rank, int local_ranks, Watchdog& watchdog, GivenModel* given) {
  const at::Device device = choose_device(options, local_rank, comm.size());
  const at::ScalarType compute = choose_compute(options, device);
  compare_hosts(device, compute, comm);
  const int threads = set_threads(options, local_rank, local_ranks);
  const ReductionBackend backend = choose_backend(options.backend, comm.size(), device, nccl_available());
  const ReductionComm reduction =
      make_reduction_comm(comm, device, backend.choice, nccl_limits(watch_limits(options)), watchdog);
  const StopPlan plan("leaving, there is nothing to save yet, then exit code 75");
  if (trains_nothing(options)) {
    write_untrained(options, device, comm);
    return {};
  }
  Communicator& device_comm = reduction.recorded ? *reduction.recorded : comm;
  if (comm.size() > 1 || options.backend != BackendChoice::automatic || options.is_given("backend"))
    log_info(tell(backend, comm.size()));
  log_info(strf("%d rank%s (%s), %d thread%s each, %s, %s GEMMs", comm.size(), comm.size() == 1 ? "" : "s",
                std::string(device_comm.backend()).c_str(), threads, threads == 1 ? "" : "s",
                device.str().c_str(), compute == at::kBFloat16 ? "bf16" : "fp32"));
  std::optional<FileSender> sender;
  if (options.stage == StageChoice::local) sender.emplace(comm, stage_folder(options), host_name());
  Assembly assembly = assemble(
      options, resolved_json,
      {comm, device_comm, device, compute, local_ranks, sender ? &*sender : nullptr, &watchdog}, given);
  const auto checked = [] { log_info("dry run: everything was checked, nothing is trained"); };
  if (!assembly.student) {  // a dry run from scratch makes none
    checked();
    return {};
  }
  Run run(std::move(assembly));  // takes over the state, where there is one
  if (options.dry_run) checked();
  const ExitCode code = options.dry_run ? ExitCode::done : run.live();
  return outcome_of(code, run.numbers());
}

TrainedRun train_guarded(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                         int local_rank, int local_ranks, GivenModel* given) {
  check_train_options(options);
  Watchdog watchdog(comm, watch_limits(options), dumps_folder(options));
  TrainedRun outcome;
  watchdog.guard(comm, [&](Communicator& recorded) {
    outcome = train_watched(options, resolved_json, recorded, local_rank, local_ranks, watchdog, given);
  });
  return outcome;
}

/// Without `--resume auto`: whoever repeats a run starts it.
std::vector<std::string> repeatable(std::vector<std::string> command) {
  const auto resume = std::ranges::find(command, "--resume");
  if (resume != command.end() && *(resume + 1) == "auto") command.erase(resume, resume + 2);
  return command;
}

/// Nothing of a run stays in its layers: neither its gradients and buffers nor whom they told of them.
void leave_run(Student& student) {
  for (QuantLayer* layer : student.layers()) {
    layer->on_gradients_ready({});
    for (const LayerTensor& tensor : layer->tensor_table()) {
      if (tensor.slot->defined() && tensor.slot->requires_grad())
        *tensor.slot = tensor.slot->detach().clone();
    }
  }
  for (const Decoder::NamedTensor& norm : student.norms()) {
    if (norm.tensor.requires_grad()) student.decoder().set_norm(norm.name, norm.tensor.detach().clone());
  }
  student.decoder().set_gradient_checkpointing(false);
  student.decoder().set_compute(at::kFloat);
  student.set_evaluation();
}

}  // namespace

ExitCode run_training(const TrainOptions& options, const std::string& resolved_json, Communicator& comm,
                      int local_rank, int local_ranks) {
  return train_guarded(options, resolved_json, comm, local_rank, local_ranks, nullptr).code;
}

TrainedRun train_given(GivenModel& model, const TrainOptions& options, const std::string& resolved_json,
                       Communicator& comm, int local_rank, int local_ranks) {
  TrainedRun outcome;
  try {
    outcome = train_guarded(options, resolved_json, comm, local_rank, local_ranks, &model);
  } catch (...) {
    leave_run(*model.student);
    throw;
  }
  leave_run(*model.student);
  return outcome;
}

int train_program(int argc, char** argv, MpiRuntime& mpi, TrainOptions options,
                  OptionTable (*make_table)(TrainOptions&)) {
  OptionTable table = make_table(options);
  const auto world = mpi.world();
  set_log_rank(world->rank(), world->size());
  if (parse_together(table, argc, argv, *world) == OptionTable::Outcome::exit_ok) return 0;
  options.given = table.given_names();
  options.command = repeatable(table.command());
  settle_v1_source(options);
  settle_text(options);
  log_info(build_summary());
  const MpiRuntime::Host host = mpi.host();
  return static_cast<int>(run_training(options, table.json(), *world, host.rank, host.size));
}

}  // namespace anemll
