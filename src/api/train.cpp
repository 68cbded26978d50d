// Training of a model.
#include "src/api/internal/model_impl.hpp"
#include "src/api/internal/train_fields.hpp"
#include "src/model/compute.hpp"

#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>

namespace anemll {
namespace {

TrainResult result_of(const TrainedRun& run) {
  return {run.code == ExitCode::done,
          run.steps,
          run.best_step,
          run.initial_loss,
          run.last_loss,
          run.best_loss,
          run.seconds};
}

TrainResult train(Model& model, const TrainOptions& told, Communicator& comm, const MpiRuntime::Host& host) {
  Model::Impl& impl = model.impl();
  const Student& student = impl.student("train_e2e");
  if (!impl.frozen)
    throw_usage("the indices are not final", "train_e2e", "call freeze_Q_all before training the scales");
  TrainOptions options = checked_fields(told);
  const at::Device device = choose_device(options.device, host.rank, true);
  if (device != impl.device)
    throw_usage("the model lies on " + impl.device.str() + ", and the run computes on " + device.str(),
                "the field of --device", "open the model with the same device and local_rank");
  // What a run without a checkpoint is called. The model's own values stand for what its flags would say.
  options.from_scratch = true;
  options.model_id = impl.id;
  options.model_revision = impl.revision.value_or("main");
  options.positive_scales = student.spec().force_positive_scales();
  options.group_size = student.spec().group_size();
  TrainOptions bound = options;
  const std::string resolved = make_train_table(bound).json();
  const at::AutoGradMode with_gradients(true);  // whatever the caller has switched off
  const OwnNumericsAfter after(impl);
  const TrainedRun run = train_given(impl.given, options, resolved, comm, host.rank, host.size);
  impl.given.source = options.output_dir;  // whose weights the model has now
  impl.checkpoint.clear();
  return result_of(run);
}

}  // namespace

TrainResult train_e2e(Model& model, const TrainOptions& options, Communicator& comm,
                      const MpiRuntime::Host& host) {
  return as_errors([&] { return train(model, options, comm, host); });
}

TrainResult train_e2e(Model& model, const TrainOptions& options) {
  const auto alone = make_single_communicator();
  return train_e2e(model, options, *alone, {});
}

}  // namespace anemll
